import { describe, expect, it } from 'vitest'
import { fieldProblems, fieldsOf } from './fields.ts'

const fields = fieldsOf({ properties: { refresh: { properties: { outageGrace: {} } } } }, 'spec')
const reads = 'const grace = spec.refresh.outageGrace'
const page = '### `spec.refresh`\n\n#### `spec.refresh.outageGrace`\n'

describe('the fields of the schema', () => {
	it('are read and have a heading', () => {
		expect(fields).toEqual(['spec.refresh', 'spec.refresh.outageGrace'])
		expect(fieldProblems(fields, [reads], page)).toEqual([])
	})

	it.each([
		['a field that nothing reads', 'const { refresh } = spec', page, /^spec\.refresh\.outageGrace: nothing/],
		['a field that only a comment names', 'refresh // outageGrace', page, /^spec\.refresh\.outageGrace: nothing/],
		['a field without a heading', reads, '### `spec.refresh`\n\nSee `outageGrace`.', /has no heading/],
		['a heading of a field that is gone', reads, `${page}#### \`spec.refresh.gone\`\n`, /is of no field/],
	])('tells of %s', (_, source, text, problem) => {
		expect(fieldProblems(fields, [source], text)).toEqual([expect.stringMatching(problem)])
	})

	it('tells of a schema without fields', () => {
		expect(fieldProblems([], [reads], page)).toEqual(['no field was found in the schema'])
	})
})
