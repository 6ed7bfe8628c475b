import { escapeXml, type Theme } from './theme.ts'

export interface TimedLine {
	/** seconds since the start */
	at: number
	text: string
}

// 104 characters of 13 px monospace are as wide as a README on GitHub shows a picture.
const COLUMNS = 104
const ROWS = 26
const LINE = 18
const CHARACTER = 8
/** After the last line the picture stands still for so long, then begins anew. */
const REST_SECONDS = 6

export const parseRecording = (source: string): TimedLine[] =>
	source
		.split('\n')
		.filter((line) => /^\d/.test(line))
		.map((line) => ({ at: Number(line.slice(0, line.indexOf('\t'))), text: line.slice(line.indexOf('\t') + 1) }))

/** A terminal in which the lines appear at their times and scroll, by CSS alone: GitHub runs no script in pictures. */
export function drawTerminal(lines: readonly TimedLine[], theme: Theme): string {
	const rows = lines.flatMap(({ at, text }) => folded(text).map((part) => ({ at, text: part })))
	const total = (rows.at(-1)?.at ?? 0) + REST_SECONDS
	const [width, height] = [Math.ceil(COLUMNS * CHARACTER) + 32, ROWS * LINE + 32]
	const percent = (at: number) => `${((at / total) * 100).toFixed(2)}%`
	const scroll = rows
		.map(({ at }, index) => ({ at, up: Math.max(0, index + 1 - ROWS) * LINE }))
		// Of lines that come together the last one says how far it scrolls.
		.filter(({ at }, index, all) => percent(at) !== (all[index + 1] && percent(all[index + 1]?.at ?? 0)))
		.filter(({ up }, index, all) => up !== all[index - 1]?.up)
	const frames = scroll.map(({ at, up }) => `${percent(at)}{transform:translateY(-${up}px)}`)
	const shows = rows.map(
		({ at }, index) => `@keyframes r${index}{0%{opacity:0}${percent(at)}{opacity:1}100%{opacity:1}}`,
	)
	const style = [
		`text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:${theme.text};white-space:pre}`,
		`.row{animation-duration:${total}s;animation-iteration-count:infinite;animation-timing-function:step-end}`,
		`.all{animation:scroll ${total}s step-end infinite}`,
		`@keyframes scroll{0%{transform:translateY(0)}${frames.join('')}}`,
		...shows,
		// Who asked for no motion sees the end.
		`@media(prefers-reduced-motion:reduce){.row{animation:none}.all{animation:none;transform:translateY(-${Math.max(0, rows.length - ROWS) * LINE}px)}}`,
	]
	return `${[
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="npm run demo">`,
		'<title>npm run demo</title>',
		`<style>${style.join('')}</style>`,
		`<rect width="${width}" height="${height}" rx="8" fill="${theme.zone}" stroke="${theme.quiet}"/>`,
		`<svg aria-hidden="true" x="16" y="16" width="${width - 32}" height="${height - 32}"><g class="all">`,
		...rows.map(
			({ text }, index) =>
				`<text class="row" style="animation-name:r${index}" y="${(index + 1) * LINE - 5}">${escapeXml(text)}</text>`,
		),
		'</g></svg>',
		'</svg>',
	].join('\n')}\n`
}

function folded(text: string): string[] {
	if (text.length <= COLUMNS) return [text]
	const parts = [text.slice(0, COLUMNS)]
	for (let from = COLUMNS; from < text.length; from += COLUMNS - 4)
		parts.push(`    ${text.slice(from, from + COLUMNS - 4)}`)
	return parts
}
