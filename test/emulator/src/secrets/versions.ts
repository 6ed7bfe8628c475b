import type { Found, ObjectVersion, Page, Stored } from './model.ts'

/** Versions after an id, ascending by id: a random order in time, as the service has it. */
export function pageOfVersions<V extends ObjectVersion>(
	object: Stored<V>,
	after: string | undefined,
	limit: number,
): Page<Found<V>> {
	const sorted = [...object.versions].sort((a, b) => (a.version < b.version ? -1 : 1))
	const start = after === undefined ? 0 : sorted.findIndex((each) => each.version > after)
	const items = start < 0 ? [] : sorted.slice(start, start + limit).map((version) => ({ name: object.name, version }))
	const last = items.at(-1)?.version.version
	const more = start >= 0 && start + limit < sorted.length
	return { items, more, ...(last === undefined ? {} : { last }) }
}

/** Without the keys that are undefined: absent means unchanged. */
export function strip<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
	return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as never
}
