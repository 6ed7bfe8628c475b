import { escapeXml, type Theme } from './theme.ts'

interface Box {
	x: number
	y: number
	width: number
	height: number
}

const FONT = 'font-family="system-ui, sans-serif" font-size="14"'

/**
 * A diagram of a text source, a line each: `size W H`, `zone X Y W H LABEL`, `box NAME X Y W H LABEL`,
 * `arrow FROM TO LABEL`, `bar FROM TO LABEL` (what is refused), `line X1 Y1 X2 Y2 LABEL`, `dot X Y`, `note X Y TEXT`.
 * A label of one dot is none.
 */
export function drawDiagram(source: string, theme: Theme): string {
	const boxes = new Map<string, Box>()
	const body: string[] = []
	let size = [0, 0]
	const title = /^# (.*?)\. /.exec(source)?.[1] ?? ''
	for (const [index, line] of source.split('\n').entries()) {
		const [verb = '', ...rest] = line.trim().split(/\s+/)
		if (verb === '' || verb === '#') continue
		const numbers = (from: number, count: number) => rest.slice(from, from + count).map(Number)
		const label = (from: number) => rest.slice(from).join(' ')
		switch (verb) {
			case 'size':
				size = numbers(0, 2)
				break
			case 'zone':
				body.push(zoneOf(boxOf(numbers(0, 4)), label(4), theme))
				break
			case 'box': {
				const box = boxOf(numbers(1, 4))
				boxes.set(rest[0] ?? '', box)
				body.push(drawnBox(box, label(5), theme))
				break
			}
			case 'arrow':
			case 'bar': {
				const [from, to] = [boxes.get(rest[0] ?? ''), boxes.get(rest[1] ?? '')]
				if (!from || !to) throw new Error(`line ${index + 1} names a box that is not above it: ${line}`)
				body.push(arrowOf(from, to, label(2), theme, verb === 'bar'))
				break
			}
			case 'line': {
				const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = numbers(0, 4)
				body.push(
					`<path d="M${x1} ${y1}L${x2} ${y2}" stroke="${theme.edge}" stroke-width="3"/>`,
					text((x1 + x2) / 2, y1 + 22, label(4), theme.quiet, 'middle'),
				)
				break
			}
			case 'dot': {
				const [x = 0, y = 0] = numbers(0, 2)
				body.push(`<circle cx="${x}" cy="${y}" r="6" fill="${theme.edge}"/>`)
				break
			}
			case 'note': {
				const [x = 0, y = 0] = numbers(0, 2)
				body.push(text(x, y, label(2), theme.text, 'start'))
				break
			}
			default:
				throw new Error(`line ${index + 1}: there is no "${verb}"`)
		}
	}
	const [width = 0, height = 0] = size
	return `${[
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${FONT} role="img" aria-label="${escapeXml(title)}">`,
		`<title>${escapeXml(title)}</title>`,
		`<rect width="${width}" height="${height}" fill="${theme.ground}"/>`,
		...body,
		'</svg>',
	].join('\n')}\n`
}

const boxOf = ([x = 0, y = 0, width = 0, height = 0]: number[]): Box => ({ x, y, width, height })

const text = (x: number, y: number, words: string, colour: string, anchor: 'start' | 'middle') =>
	`<text x="${x}" y="${y}" fill="${colour}" text-anchor="${anchor}">${escapeXml(words)}</text>`

const zoneOf = ({ x, y, width, height }: Box, label: string, theme: Theme) =>
	[
		`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="10" fill="${theme.zone}" stroke="${theme.quiet}" stroke-dasharray="4 4"/>`,
		text(x + 14, y + 22, label, theme.quiet, 'start'),
	].join('\n')

const drawnBox = ({ x, y, width, height }: Box, label: string, theme: Theme) =>
	[
		`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="8" fill="${theme.box}" stroke="${theme.edge}"/>`,
		text(x + width / 2, y + height / 2 + 5, label, theme.text, 'middle'),
	].join('\n')

/** From edge to edge along the line between the middles, with the label on it. */
function arrowOf(from: Box, to: Box, label: string, theme: Theme, isBarred: boolean): string {
	const [start, end] = [edgeOf(from, to), edgeOf(to, from)]
	const angle = Math.atan2(end.y - start.y, end.x - start.x)
	const at = (turn: number) =>
		`${round(end.x - 10 * Math.cos(angle + turn))} ${round(end.y - 10 * Math.sin(angle + turn))}`
	const colour = isBarred ? theme.stop : theme.edge
	const [x, y] = [round((start.x + end.x) / 2), round((start.y + end.y) / 2)]
	const width = label.length * 7 + 8
	const dash = isBarred ? ' stroke-dasharray="6 4"' : ''
	const words =
		label === '.'
			? ''
			: `<rect x="${x - width / 2}" y="${y - 11}" width="${width}" height="20" rx="4" fill="${theme.ground}"/>\n${text(x, y + 4, isBarred ? `✕ ${label}` : label, isBarred ? theme.stop : theme.quiet, 'middle')}`
	return [
		`<path d="M${round(start.x)} ${round(start.y)}L${round(end.x)} ${round(end.y)}" stroke="${colour}" stroke-width="1.5"${dash}/>`,
		`<path d="M${round(end.x)} ${round(end.y)}L${at(0.4)}L${at(-0.4)}Z" fill="${colour}"/>`,
		words,
	]
		.filter(Boolean)
		.join('\n')
}

function edgeOf(box: Box, towards: Box): { x: number; y: number } {
	const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
	const [dx, dy] = [towards.x + towards.width / 2 - x, towards.y + towards.height / 2 - y]
	const scale = Math.min(
		dx === 0 ? Infinity : box.width / 2 / Math.abs(dx),
		dy === 0 ? Infinity : box.height / 2 / Math.abs(dy),
	)
	return { x: x + dx * scale, y: y + dy * scale }
}

const round = (value: number) => Math.round(value * 10) / 10
