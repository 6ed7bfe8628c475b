// Every version that the bindings of a stage ever had, for what a look at the last one cannot show.
import type { KubeTransport } from '../../../operator/src/cluster/transport.ts'
import { type KubeObject, watchCollection } from '../../../operator/src/cluster/watch.ts'
import { systemClock } from '../../../operator/src/process/clock.ts'
import { brokenRules, type Versioned } from '../../kit/kstatus.ts'
import { until } from '../../kit/until.ts'

type Recorded = KubeObject & Versioned

export interface StatusRecord {
	/** Follows the bindings under a path; resolves when nothing can be missed any more. */
	follow(path: string): Promise<void>
	/** The versions so far of the binding at a path, oldest first. */
	versions(path: string): readonly Versioned[]
	/** Ends, after the present versions arrived. @returns the rules that were broken, each with who broke it */
	end(): Promise<string[]>
}

export function recordStatuses(transport: KubeTransport): StatusRecord {
	const seen = new Map<string, Recorded[]>()
	const broken = new Set<string>()
	const paths: string[] = []
	const following: Promise<void>[] = []
	const stopping = new AbortController()

	const take = (path: string, item: Recorded) => {
		const key = `${path}/${item.metadata.name}`
		const versions = seen.get(key) ?? []
		const before = versions.at(-1)
		if (before?.metadata.resourceVersion === item.metadata.resourceVersion) return
		const same = before?.metadata.uid === item.metadata.uid
		for (const rule of brokenRules(item, same ? before : undefined)) {
			broken.add(`${item.metadata.name} broke the rule: ${rule}\n${JSON.stringify(item.status)}`)
		}
		seen.set(key, [...versions, item])
	}
	return {
		async follow(path) {
			paths.push(path)
			const ready = Promise.withResolvers<void>()
			const options = { transport, path, clock: systemClock, random: Math.random, signal: stopping.signal }
			const run = async () => {
				for await (const event of watchCollection<Recorded>(options)) {
					if (event.kind === 'synced') for (const item of event.items) take(path, item)
					if (event.kind === 'applied') take(path, event.item)
					ready.resolve()
				}
			}
			following.push(run())
			await ready.promise
		},
		versions: (path) => seen.get(path) ?? [],
		async end() {
			for (const path of paths) {
				await until(
					`the last versions of ${path}`,
					async () => {
						const { items } = await transport.request<{ items: Recorded[] }>({ method: 'GET', path })
						const isSeen = ({ metadata: { name, resourceVersion } }: Recorded) =>
							seen.get(`${path}/${name}`)?.some((each) => each.metadata.resourceVersion === resourceVersion)
						return items.every(isSeen)
					},
					{ timeoutMs: 20_000, everyMs: 50 },
				)
			}
			stopping.abort()
			await Promise.all(following)
			return [...broken]
		},
	}
}
