import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { type Page, readMarkdown } from './markdown.ts'

export interface Problem {
	path: string
	line: number
	text: string
}

/**
 * Two sentences of fifteen words fit. What is longer is read with a finger on the line, and a change of one word shows as a
 * change of a paragraph. Tables cannot be broken, so their rows are free, and their cells are not: see below.
 */
const MAX_PROSE = 160
/** A table holds facts: what is longer is a paragraph. The widest is the list of what the admission policies refuse. */
const MAX_CELL = 420
/** Written by machines. */
const GENERATED = /^runtime-store\/api\/(index|manifest|testing)\.md$/

/** Words that the glossary of CONTRIBUTING.md replaced, and what to write. Code, paths and links may still have them. */
const REPLACED: readonly (readonly [RegExp, string])[] = [
	[/\bnudg(e[sd]?|ing)\b/i, 'pod refresh'],
	[/\bfence[sd]?\b/i, 'admission policies'],
	[/\b(a|an|each|every|one|next|last|first|successful|no|two|tenth|whole) looks?\b/i, 'poll'],
	[/\bthe look\b/i, 'the poll'],
	[/\b(operator|kubelet|nobody|somebody) looks?\b/i, 'polls'],
	[/\b(nodes?|pods?|bindings?) (is|are) told\b|\bmanifest tells\b/i, 'says, or the name of what is written'],
	[/\bremovals? (is|are) held\b|\b(secret|version|file)s? (is|are) held\b/i, 'pinned, or waits'],
	[/\bwithout anybody's doing\b/i, 'by itself'],
]

/** Pages whose command blocks say which test runs them, or why none does. */
const COMMANDS = /^(README\.md|[\w/-]+\/tasks\/[\w-]+\.md|crds\/troubleshooting\.md)$/
/** Languages of blocks that somebody copies into a terminal. */
const SHELL = new Set(['sh', 'bash', 'shell', 'console'])

export function check(path: string, text: string, root: string): Problem[] {
	const page = readMarkdown(text)
	const found: Found[] = [
		...(GENERATED.test(path) ? [] : lengths(page)),
		...conflicts(page),
		...words(page),
		...links(page, path, root),
		...(COMMANDS.test(path) ? marks(page, root) : []),
	]
	return found.map(([line, text]) => ({ path, line, text }))
}

type Found = readonly [line: number, text: string]

/** What is shown of a line: a link counts by its text. */
const visible = (text: string) => text.replaceAll(/\]\([^)]*\)/g, ']')

function* lengths({ lines }: Page): Generator<Found> {
	for (const { number, text, kind } of lines) {
		const shown = visible(text)
		if (kind === 'prose' && shown.length > MAX_PROSE && !text.startsWith('<')) {
			yield [
				number,
				`${shown.length} characters: a line of prose has ${MAX_PROSE} at most; begin a sentence on a new line`,
			]
		}
		if (kind !== 'table') continue
		const longest = Math.max(...shown.split(/(?<!\\)\|/).map((cell) => cell.trim().length))
		if (longest > MAX_CELL) {
			yield [number, `a cell of ${longest} characters: a table holds facts (${MAX_CELL}); write a paragraph below it`]
		}
	}
}

function* conflicts({ lines }: Page): Generator<Found> {
	for (const { number, text } of lines)
		if (/^(<{7}|>{7}) /.test(text)) yield [number, 'a merge that nobody ended: choose one of the two texts']
}

function* words({ lines }: Page): Generator<Found> {
	for (const { number, text, kind } of lines) {
		if (kind === 'code') continue
		const plain = visible(text).replaceAll(/`[^`]*`/g, '')
		for (const [pattern, instead] of REPLACED) {
			const found = pattern.exec(plain)?.[0]
			if (found) yield [number, `"${found}": the word of the glossary is "${instead}"`]
		}
	}
}

function* links({ links, anchors }: Page, path: string, root: string): Generator<Found> {
	for (const { line, target } of links) {
		if (/^[a-z]+:/i.test(target)) continue
		const [file = '', anchor] = target.split('#')
		const to = file === '' ? path : normalize(join(dirname(path), file))
		const full = join(root, to)
		if (!existsSync(full)) yield [line, `${target}: there is no ${to}`]
		else if (anchor !== undefined && !anchorsOf(to, full, path, anchors).has(anchor)) {
			yield [line, `${target}: ${to} has no heading with this anchor`]
		}
	}
}

const known = new Map<string, Set<string>>()
function anchorsOf(to: string, full: string, path: string, own: Set<string>): Set<string> {
	if (to === path) return own
	if (!to.endsWith('.md') || statSync(full).isDirectory()) return new Set()
	const anchors = known.get(full) ?? readMarkdown(readFileSync(full, 'utf8')).anchors
	known.set(full, anchors)
	return anchors
}

function* marks({ blocks }: Page, root: string): Generator<Found> {
	for (const { line, language, mark } of blocks) {
		if (!SHELL.has(language)) continue
		const tested = /^run by: (\S+)$/.exec(mark ?? '')?.[1]
		if (tested !== undefined) {
			if (!existsSync(join(root, tested))) yield [line, `there is no test ${tested}`]
		} else if (!/^not run: \S.{8,}/.test(mark ?? '')) {
			yield [
				line,
				'say on the line above it which test runs it, <!-- run by: FILE -->, or why none does, <!-- not run: … -->',
			]
		}
	}
}
