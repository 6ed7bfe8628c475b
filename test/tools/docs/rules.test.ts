import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readMarkdown } from './markdown.ts'
import { check } from './rules.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const problemsOf = (text: string, path = 'README.md') =>
	check(path, text, root).map(({ line, text }) => `${line} ${text}`)

describe('documentation', () => {
	it.each([
		['a line of prose that is too long', 'word '.repeat(40), /^1 200 characters/],
		['a paragraph in a cell', `| a |\n|---|\n| ${'word '.repeat(100)} |`, /^3 a cell of/],
		['a link to no file', 'See [this](nowhere.md).', /^1 nowhere\.md: there is no/],
		['a link to no heading', 'See [this](CONTRIBUTING.md#nowhere).', /^1 .* has no heading/],
		['a link to no heading of its own page', '# One\n\n[two](#two)', /^3 #two/],
		['a picture that is not there', '<img src="nowhere.svg">', /^1 nowhere\.svg/],
		['a word that the glossary replaced', 'Pods are nudged.', /^1 "nudged": .*pod refresh/],
		['another old word', 'The operator looks again.', /^1 "operator looks": .*polls/],
		['a word that says too little', 'Nodes are told of it.', /^1 "Nodes are told"/],
		['a word of two meanings', 'Such secrets are held.', /^1 "secrets are held": .*pinned/],
		['a merge that nobody ended', '<<<<<<< HEAD\n=======\n>>>>>>>', /^1 a merge/],
		['commands without a mark', '```sh\nls\n```', /^1 say on the line above/],
		['commands of a test that is not there', '<!-- run by: nowhere.ts -->\n```sh\nls\n```', /^2 there is no test/],
		['commands that are not run for no reason', '<!-- not run: -->\n```sh\nls\n```', /^2 say on the line above/],
	])('finds %s', (_, text, problem) => {
		expect(problemsOf(text)).toEqual([expect.stringMatching(problem)])
	})

	it.each([
		['long lines of code', `\`\`\`yaml\n${'x'.repeat(300)}\n\`\`\``],
		['long links with short texts', `[a](CONTRIBUTING.md#words) ${'word '.repeat(30)}`],
		['replaced words in code', 'The folder `deploy/kustomize/fence` stays.'],
		['commands with a reason', '<!-- not run: needs an Azure account -->\n```sh\naz login\n```'],
		['links out of the repository', '[a](https://purista.dev/#nowhere)'],
	])('lets pass %s', (_, text) => {
		expect(problemsOf(text)).toEqual([])
	})

	it('makes anchors as GitHub does', () => {
		const { anchors } = readMarkdown('# `spec.vault`\n## On AKS\n## On AKS\n### A "b", c: d\n```\n# no heading\n```')
		expect([...anchors]).toEqual(['specvault', 'on-aks', 'on-aks-1', 'a-b-c-d'])
	})
})
