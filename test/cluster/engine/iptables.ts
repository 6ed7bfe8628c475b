import type { Context } from '../context.ts'
import { run, tryRun } from '../run.ts'

// An engine that ends leaves its packet filter rules behind. What is ours is told apart by names: docker's chains, our bridge,
// and the bridges of docker networks.
const OURS = /\bDOCKER(-[A-Z0-9-]+)?\b|\basb0\b|\bbr-[0-9a-f]{12}\b/

interface Table {
	readonly policies: Map<string, string>
	readonly chains: Set<string>
	readonly rules: string[]
}

function parse(save: string): Map<string, Table> {
	const tables = new Map<string, Table>()
	let table: Table | undefined
	for (const line of save.split('\n')) {
		if (line.startsWith('*')) {
			table = { policies: new Map(), chains: new Set(), rules: [] }
			tables.set(line.slice(1).trim(), table)
		} else if (line.startsWith(':')) {
			const [chain = '', policy = '-'] = line.slice(1).split(' ')
			if (policy === '-') table?.chains.add(chain)
			else table?.policies.set(chain, policy)
		} else if (line.startsWith('-A ')) table?.rules.push(line.trim())
	}
	return tables
}

/**
 * Input for `iptables-restore --noflush` that takes away what came since `before` and is ours; undefined when nothing did.
 * Rules of others, made meanwhile, stay.
 */
export function undoRules(before: string, after: string): string | undefined {
	const was = parse(before)
	const lines: string[] = []
	for (const [name, table] of parse(after)) {
		const old = was.get(name)
		const chains = [...table.chains].filter((chain) => OURS.test(chain) && !old?.chains.has(chain))
		const rules = table.rules.filter(
			(rule) => OURS.test(rule) && !old?.rules.includes(rule) && !chains.includes(rule.split(' ')[1] ?? ''),
		)
		// The engine sets FORWARD to DROP. A table that was not there had the kernel's default, ACCEPT.
		const policy = name === 'filter' ? (old?.policies.get('FORWARD') ?? 'ACCEPT') : undefined
		const present = table.policies.get('FORWARD')
		const changes: string[] = []
		if (policy !== undefined && present !== undefined && present !== policy) changes.push(`-P FORWARD ${policy}`)
		changes.push(
			...rules.map((rule) => rule.replace(/^-A/, '-D')),
			...chains.map((chain) => `-F ${chain}`),
			...chains.map((chain) => `-X ${chain}`),
		)
		if (changes.length > 0) lines.push(`*${name}`, ...changes, 'COMMIT')
	}
	return lines.length > 0 ? `${lines.join('\n')}\n` : undefined
}

/** The present rules, as `before` for `restoreRules`. */
export async function saveRules(): Promise<Record<string, string>> {
	const saved: Record<string, string> = {}
	for (const family of ['iptables', 'ip6tables']) saved[family] = (await tryRun(`${family}-save`, [])) ?? ''
	return saved
}

export async function restoreRules(context: Context, before: Readonly<Record<string, string>>): Promise<void> {
	for (const [family, text] of Object.entries(before)) {
		const undo = undoRules(text, (await tryRun(`${family}-save`, [])) ?? '')
		if (undo)
			await run(`${family}-restore`, ['--noflush'], { input: undo, log: `${context.paths.logs}/engine-down.log` })
	}
}
