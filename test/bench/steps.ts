// How long one step of a pass keeps the main thread, for the largest bindings that a tenant may write. No cluster, no socket.
import { parseArgs } from 'node:util'
import { longChain, VALUE_BYTES, wideJson } from '../../operator/src/forms/testing/worst.ts'
import type { Slices } from '../../operator/src/process/slices.ts'
import { openBinding } from '../../operator/src/run/testing/one-binding.ts'
import type { Bench } from './cli.ts'

interface Shape {
	readonly name: string
	readonly spec: Record<string, unknown>
	/** a new version of each secret of the vault */
	values(round: number): Iterable<readonly [name: string, value: string, more?: object]>
}

// As long as the schema lets them be.
const [FILE_CHARS, OBJECT_CHARS, TAGS, TAG_CHARS] = [220, 127, 15, 512]
const ENTRIES = 480
const numbers = Array.from({ length: ENTRIES }, (_, i) => i)
const file = (i: number) => `f${i}-`.padEnd(FILE_CHARS, 'x')
const object = (i: number) => `o${i}-`.padEnd(OBJECT_CHARS, 'y')
const each = (text: (i: number, round: number) => string, more: object = {}) =>
	function* (round: number) {
		for (const i of numbers) yield [object(i), text(i, round), more] as const
	}
const one = (value: (round: number) => string, more: object = {}) =>
	function* (round: number) {
		yield ['one', value(round), more] as const
	}
const named = (rest: (i: number) => object = () => ({})) =>
	numbers.map((i) => ({ name: file(i), objectName: object(i), ...rest(i) }))
const tags = Object.fromEntries(
	Array.from({ length: TAGS }, (_, i) => [`t${i}`.padEnd(TAG_CHARS / 2, 't'), 'v'.repeat(TAG_CHARS / 2)]),
)
// All of them together still fit into a Secret.
const FITS = 1_500

const SHAPES: readonly Shape[] = [
	{
		name: 'names of 220 characters',
		spec: { secrets: named() },
		values: each((i, round) => `${round}-${i}`.padEnd(FITS, 'v')),
	},
	{
		name: 'base64',
		spec: { secrets: named(() => ({ decode: 'Base64' })) },
		values: each((i, round) => Buffer.from(`${round}-${i}`.padEnd(FITS, 'v')).toString('base64')),
	},
	{
		name: 'hex',
		spec: { secrets: named(() => ({ decode: 'Hex' })) },
		values: each((i, round) => Buffer.from(`${round}-${i}`.padEnd(FITS, 'v')).toString('hex')),
	},
	{
		name: 'properties of one JSON of 25 KB',
		spec: { secrets: numbers.map((i) => ({ name: file(i), objectName: 'one', property: `/k${i}` })) },
		values: one((round) => wideJson(ENTRIES).replace('xxxxxx', `${round}`.padEnd(6, 'x'))),
	},
	{
		name: 'the whole of one value of 25 KB (12 MB, refused)',
		spec: { secrets: numbers.map((i) => ({ name: file(i), objectName: 'one' })) },
		values: one((round) => `${round}`.padEnd(VALUE_BYTES, 'v')),
	},
	{
		name: 'values of 25 KB (12 MB, refused)',
		spec: { secrets: named() },
		values: each((i, round) => `${round}-${i}`.padEnd(VALUE_BYTES, 'v')),
	},
	{
		name: 'ten older versions each',
		spec: { secrets: named(() => ({ previous: 10 })) },
		values: each((i, round) => `${round}-${i}`.padEnd(100, 'v')),
	},
	{
		name: 'with all tags (manifest of 5 MB, refused)',
		spec: { secrets: named(), select: Array.from({ length: 16 }, () => ({ tags })) },
		values: each((i, round) => `${round}-${i}`, { tags: { ...tags, other: 'x' } }),
	},
	{
		name: 'certificates of 25 KB',
		spec: {
			certificates: numbers.slice(0, 12).map((i) => ({
				objectName: object(i),
				cert: file(i * 3),
				key: file(i * 3 + 1),
				ca: file(i * 3 + 2),
			})),
			secrets: named().slice(48, ENTRIES),
		},
		values: function* (round) {
			yield* [...each((i) => `${round}-${i}`.padEnd(100, 'v'))(round)].slice(48)
			for (const i of numbers.slice(0, 12)) yield [object(i), longChain(), { contentType: 'application/x-pem-file' }]
		},
	},
]

const SMALL: Shape = {
	name: 'three secrets',
	spec: { secrets: named().slice(0, 3) },
	values: (round) => each((i) => `${round}-${i}`)(round),
}

const ROUNDS = 3

async function measure(shape: Shape, say: (line: string) => void = console.log): Promise<void> {
	const took: number[] = []
	const slices: Slices = async (_, work) => {
		const before = process.threadCpuUsage()
		try {
			return work()
		} finally {
			// Of the processor and not of the clock: others may use the machine.
			const { user, system } = process.threadCpuUsage(before)
			took.push((user + system) / 1_000)
		}
	}
	const binding = openBinding(shape.spec, { slices })
	const longest: Record<string, number> = {}
	const go = async (what: string) => {
		took.length = 0
		await binding.reconcile()
		longest[what] = Math.max(longest[what] ?? 0, ...took)
	}
	for (let round = 0; round < ROUNDS; round++) {
		// Flat, as a parser makes them: a text that is still put together of parts would be copied in the step that first looks at it.
		for (const [name, value, more] of shape.values(round))
			binding.vault('a').set(name, Buffer.from(value).toString('latin1'), more)
		await binding.clock.advance(120_000)
		await go(round === 0 ? 'first' : 'rotated')
		await binding.clock.advance(120_000)
		await go('nothing new')
	}
	const text = Object.entries(longest).map(([what, ms]) => `${what} ${ms.toFixed(1)}`)
	say(`${shape.name}: longest step, ms: ${text.join(', ')}; ${binding.condition('Fresh')?.reason}`)
}

export const bench: Bench = {
	title: 'how long one step of a pass keeps the main thread, for bindings of 480 entries',
	async run(args) {
		const { values } = parseArgs({ args: [...args], options: { only: { type: 'string' } } })
		// What a process does once is not the tenant's: code that is loaded and compiled.
		await measure(SMALL, () => {})
		for (const shape of SHAPES) if (shape.name.includes(values.only ?? '')) await measure(shape)
	},
}
