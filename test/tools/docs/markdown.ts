/** A line of Markdown, and what it is part of. */
interface Line {
	number: number
	text: string
	kind: 'prose' | 'table' | 'code'
}

export interface Block {
	line: number
	language: string
	text: string
	/** the HTML comment on the line above it */
	mark: string | undefined
}

export interface Page {
	lines: Line[]
	blocks: Block[]
	/** what a link may name after `#` */
	anchors: Set<string>
	links: { line: number; target: string }[]
}

const FENCE = /^\s*(```+|~~~+)\s*([\w-]*)/

/** Enough of Markdown for checks: fences, tables, headings, links. */
export function readMarkdown(text: string): Page {
	const page: Page = { lines: [], blocks: [], anchors: new Set(), links: [] }
	const seen = new Map<string, number>()
	let open: { fence: string; block: Block } | undefined
	for (const [index, line] of text.split('\n').entries()) {
		const number = index + 1
		const fence = FENCE.exec(line)
		if (open) {
			page.lines.push({ number, text: line, kind: 'code' })
			if (fence && line.trim().startsWith(open.fence) && fence[2] === '') open = undefined
			else open.block.text += `${line}\n`
			continue
		}
		if (fence?.[1]) {
			const mark = /^<!--\s*(.*?)\s*-->$/.exec(page.lines.at(-1)?.text.trim() ?? '')?.[1]
			const block: Block = { line: number, language: fence[2] ?? '', text: '', mark }
			page.blocks.push(block)
			page.lines.push({ number, text: line, kind: 'code' })
			open = { fence: fence[1], block }
			continue
		}
		page.lines.push({ number, text: line, kind: line.startsWith('|') ? 'table' : 'prose' })
		const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1]
		if (heading !== undefined) page.anchors.add(numbered(slugOf(heading), seen))
		for (const [, id] of line.matchAll(/<a (?:id|name)="([^"]+)"/g)) if (id) page.anchors.add(id)
		const bare = line.replaceAll(/`[^`]*`/g, '')
		for (const [, target] of bare.matchAll(/\]\(([^()\s]+(?:\([^()]*\))?)\)/g))
			if (target) page.links.push({ line: number, target })
		for (const [, target] of bare.matchAll(/(?:src|srcset|href)="([^"]+)"/g))
			if (target) page.links.push({ line: number, target })
	}
	return page
}

/** As GitHub makes anchors of headings. */
export const slugOf = (heading: string) =>
	heading
		.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
		.toLowerCase()
		.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
		.replaceAll(' ', '-')

/** The second heading of the same text gets `-1`. */
function numbered(slug: string, seen: Map<string, number>): string {
	const count = seen.get(slug) ?? 0
	seen.set(slug, count + 1)
	return count === 0 ? slug : `${slug}-${count}`
}
