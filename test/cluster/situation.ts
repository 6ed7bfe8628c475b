/** What this machine can do, found out by looking. */
export interface Facts {
	/** A Docker engine answers at DOCKER_HOST or the default place. */
	readonly engine: boolean
	/** kind's own node image is there, or could be pulled. */
	readonly officialImage: boolean
	/** A node image built from package registries is there. */
	readonly builtImage: boolean
	readonly linux: boolean
	readonly root: boolean
	/** apt-get of a Debian. */
	readonly debian: boolean
}

/**
 * - `official`: a Docker engine and kind's own node image.
 * - `packages`: a Docker engine, but no image registry: the node image is built from package registries.
 * - `private`: no engine: one of our own, and the node image as in `packages`.
 * - `none`: none of it works here; `missing` says what would help.
 */
export type Situation =
	| { readonly kind: 'official' }
	| { readonly kind: 'packages' }
	| { readonly kind: 'private' }
	| { readonly kind: 'none'; readonly missing: readonly string[] }

/** Chooses the first way that works. */
export function chooseSituation(facts: Facts): Situation {
	const canBuild = facts.linux && facts.root && facts.debian
	if (facts.engine) {
		if (facts.officialImage) return { kind: 'official' }
		if (facts.builtImage || canBuild) return { kind: 'packages' }
		return {
			kind: 'none',
			missing: [
				'an image registry: `docker pull kindest/node` fails (log: logs/pull.log in the cache)',
				`or, to build the node image from package registries: ${buildNeeds(facts)}`,
			],
		}
	}
	if (canBuild) return { kind: 'private' }
	return {
		kind: 'none',
		missing: [
			'a Docker engine that answers: `docker version` fails (start it, or set DOCKER_HOST)',
			`or, for an engine of our own: ${buildNeeds(facts)}`,
		],
	}
}

function buildNeeds(facts: Facts): string {
	const needs = [facts.linux || 'Linux', facts.debian || 'Debian (apt-get)', facts.root || 'root']
	return needs.filter((need) => need !== true).join(', ')
}

/** The message for a machine that can do none of it. */
export function explainMissing(missing: readonly string[]): string {
	return [
		'no cluster is possible on this machine. Needed is one of:',
		...missing.map((each) => `  - ${each}`),
		'  - ASB_KUBECONFIG and ASB_CONTEXT: an existing cluster',
	].join('\n')
}
