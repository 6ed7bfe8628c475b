import type { ManifestSelector } from 'purista-azure-mounted-secret-store/manifest'
import type { WantedSecret } from '../api/parse.ts'
import type { Selector } from '../api/schema.ts'
import type { SecretFacts } from './probe.ts'

/** A secret of the vault, as far as selectors look at it. */
export type Candidate = Pick<SecretFacts, 'tags' | 'managed'> & { objectName: string }

export interface Selection {
	wanted: WantedSecret[]
	/** file name → the secrets of the vault that would all have it */
	collisions: ReadonlyMap<string, readonly string[]>
}

/**
 * Which secrets of the vault the selectors want besides those that the spec names.
 *
 * 1. Within a selector all that it says must hold; the first selector that matches decides the file name.
 * 2. What the spec names is not selected again: neither the same secret of the vault, nor another one for its file name.
 * 3. Of two secrets with one file name neither is taken.
 */
export function select(
	selectors: readonly Selector[],
	explicit: readonly WantedSecret[],
	items: Iterable<Candidate>,
): Selection {
	const objects = new Set(explicit.map(({ objectName }) => objectName.toLowerCase()))
	const names = new Set(explicit.map(({ name }) => name))
	const byName = new Map<string, string[]>()
	for (const item of items) {
		if (objects.has(item.objectName.toLowerCase())) continue
		const name = nameBySelectors(selectors, item)
		if (name === undefined || names.has(name)) continue
		byName.set(name, [...(byName.get(name) ?? []), item.objectName])
	}
	const all = [...byName].sort(([a], [b]) => (a < b ? -1 : 1))
	return {
		wanted: all.flatMap(([name, [objectName, ...more]]) =>
			objectName === undefined || more.length > 0 ? [] : [selectedSecret(name, objectName)],
		),
		collisions: new Map(all.filter(([, objectNames]) => objectNames.length > 1)),
	}
}

/** A secret that a selector brought. It comes and goes with the vault, so its absence does not keep a binding from Ready. */
export const selectedSecret = (name: string, objectName: string): WantedSecret => ({
	name,
	objectName,
	optional: true,
	selected: true,
})

/** The file name that the first matching selector gives; undefined when none matches. */
export function nameBySelectors(selectors: readonly Selector[], item: Candidate): string | undefined {
	for (const selector of selectors) {
		const name = matches(selector, item) ? nameOf(selector, item.objectName) : undefined
		if (name !== undefined) return name
	}
	return undefined
}

function matches({ prefix = '', tags, managed }: Selector, item: Candidate): boolean {
	// Names in a vault compare without regard to case (FACTS.md#names).
	if (!item.objectName.toLowerCase().startsWith(prefix.toLowerCase())) return false
	if (item.managed && !managed) return false
	return Object.entries(tags).every(([key, value]) => Object.hasOwn(item.tags, key) && item.tags[key] === value)
}

/** Undefined when stripping leaves nothing of the name. The store has the inverse: `objectNameBySelector`. */
function nameOf({ prefix = '', stripPrefix, nameStyle }: Selector, objectName: string): string | undefined {
	const rest = stripPrefix ? objectName.slice(prefix.length) : objectName
	if (rest === '') return undefined
	return nameStyle === 'UpperSnake' ? rest.toUpperCase().replaceAll('-', '_') : rest
}

/** Keys of the tags that the spec names: these alone reach the manifest. */
export const namedTags = (selectors: readonly Selector[]): ReadonlySet<string> =>
	new Set(selectors.flatMap(({ tags }) => Object.keys(tags)))

/** Selectors as the manifest has them: what says nothing is left out. */
export const manifestSelectors = (selectors: readonly Selector[]): ManifestSelector[] =>
	selectors.map(({ prefix, tags, stripPrefix, nameStyle, managed }) => ({
		...(prefix === undefined ? {} : { prefix }),
		...(Object.keys(tags).length === 0 ? {} : { tags }),
		stripPrefix,
		nameStyle,
		managed,
	}))
