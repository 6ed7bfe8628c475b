import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { REASONS } from '../api/conditions.ts'
import { anchorOf, HELP_PAGE, withHelp } from './help.ts'

describe('the page that messages lead to', () => {
	const page = readFileSync(new URL(`../../../${HELP_PAGE}`, import.meta.url), 'utf8')
	const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text.toLowerCase())

	it.each(Object.keys(REASONS))('has a section for %s', (reason) => {
		expect(headings.filter((heading) => heading === anchorOf(reason))).toHaveLength(1)
	})
})

it('a verdict that goes on, or becomes another one, has one line of help', () => {
	const first = withHelp('The vault is away.', 'VaultUnreachable')
	expect(first).toBe('The vault is away.\nHelp: crds/troubleshooting.md#vaultunreachable')
	expect(withHelp(first, 'VaultUnreachable')).toBe(first)
	expect(withHelp(first, 'Stale')).toBe('The vault is away.\nHelp: crds/troubleshooting.md#stale')
})
