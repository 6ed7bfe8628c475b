import type { BindingStatus } from '../api/schema.ts'

/**
 * The JSON merge patch that turns one status into another, or undefined when they are equal. Fields that go are null;
 * lists are replaced as a whole, as merge patches do.
 */
export function statusPatch(before: BindingStatus, after: BindingStatus): Record<string, unknown> | undefined {
	const patch: Record<string, unknown> = {}
	for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
		const was = before[key as keyof BindingStatus]
		const is = after[key as keyof BindingStatus]
		if (!same(was, is)) patch[key] = is ?? null
	}
	return Object.keys(patch).length === 0 ? undefined : patch
}

/** Deep equality of JSON, whatever the order of keys: the API server answers in its own. */
function same(a: unknown, b: unknown): boolean {
	if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i]))
	if (isRecord(a) && isRecord(b)) {
		const keys = Object.keys(a)
		return keys.length === Object.keys(b).length && keys.every((key) => same(a[key], b[key]))
	}
	return a === b
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
	typeof value === 'object' && value !== null && !Array.isArray(value)
