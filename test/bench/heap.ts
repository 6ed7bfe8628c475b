// What a snapshot of V8's heap is made of. Names are those of constructors and of V8's own kinds: no content of strings is read.
import { readFileSync } from 'node:fs'

/** What there is of each kind. */
export type Sizes = ReadonlyMap<string, { readonly count: number; readonly bytes: number }>

interface Snapshot {
	readonly snapshot: {
		readonly meta: {
			readonly node_fields: readonly string[]
			readonly node_types: readonly [readonly string[], ...unknown[]]
		}
	}
	readonly nodes: readonly number[]
	readonly strings: readonly string[]
}

/** Kinds whose name is a content or a function's: they count together. */
const NAMELESS = new Set(['string', 'concatenated string', 'sliced string', 'number', 'bigint', 'symbol'])

export function byConstructor(file: string): Sizes {
	const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, 'utf8')) as Snapshot
	const { node_fields: fields, node_types: types } = snapshot.meta
	const [kinds] = types
	const at = (field: string) => fields.indexOf(field)
	const [typeAt, nameAt, sizeAt] = [at('type'), at('name'), at('self_size')]
	const sizes = new Map<string, { count: number; bytes: number }>()
	for (let node = 0; node < nodes.length; node += fields.length) {
		const kind = kinds[nodes[node + typeAt] ?? 0] ?? ''
		const name = NAMELESS.has(kind) ? kind : `${kind} ${strings[nodes[node + nameAt] ?? 0] ?? ''}`
		const size = sizes.get(name) ?? { count: 0, bytes: 0 }
		size.count++
		size.bytes += nodes[node + sizeAt] ?? 0
		sizes.set(name, size)
	}
	return sizes
}
