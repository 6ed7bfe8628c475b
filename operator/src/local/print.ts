import type { Binding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import type { Change } from '../engine/holding.ts'
import type { Account } from './account.ts'

const conditionOf = ({ conditions = [] }: BindingStatus, type: string) => conditions.find((each) => each.type === type)

/** The row of `kubectl get asb`, with the folder in place of the delivery. */
export function tableOf({ name, vaultUrl }: Binding, status: BindingStatus, folder: string): string {
	const cell = (type: string) => conditionOf(status, type)?.status ?? ''
	const row = [name, cell('Ready'), cell('Fresh'), status.synced ?? '', vaultUrl ?? '', folder]
	const head = ['NAME', 'READY', 'FRESH', 'SYNCED', 'VAULT', 'FOLDER']
	const widths = head.map((text, i) => Math.max(text.length, row[i]?.length ?? 0) + 3)
	return [head, row]
		.map((line) =>
			line
				.map((text, i) => text.padEnd(widths[i] ?? 0))
				.join('')
				.trimEnd(),
		)
		.join('\n')
}

/** What is new since before, in lines: conditions that turned, with their message, and versions that came or went. */
export function newsOf(status: BindingStatus, before: BindingStatus): string[] {
	const conditions = ['Ready', 'Fresh'].flatMap((type) => {
		const [now, was] = [conditionOf(status, type), conditionOf(before, type)]
		if (!now || (now.status === was?.status && now.reason === was.reason)) return []
		// Of what is as it should be the messages speak of a cluster.
		return [`${type}=${now.status} ${now.reason}${now.status === 'True' ? '' : `: ${now.message}`}`]
	})
	const versions = new Map((before.secrets ?? []).map(({ name, version }) => [name, version]))
	const secrets = (status.secrets ?? []).flatMap(({ name, version, state }) => {
		if (versions.get(name) === version) return []
		return [version === undefined ? `${name}: ${state}, no file` : `${name}: version ${version}`]
	})
	return [...secrets, ...conditions]
}

/** Whether what is wanted is there, and as the vault says. */
export const isWell = (status: BindingStatus): boolean =>
	conditionOf(status, 'Ready')?.status === 'True' && conditionOf(status, 'Fresh')?.status === 'True'

// Enough to recognise what it is about, short enough for a screen.
const MAX_NAMES = 20

/** What is about to happen, for whoever is asked. */
export function announcement(
	binding: Binding,
	account: Account,
	folder: string,
	{ set, manifest }: Change,
	keep: boolean,
): string {
	const names = [...set.keys()]
	const lines = names.slice(0, MAX_NAMES).map((name) => {
		const objectName = manifest.secrets[name]?.objectName
		return `           ${name}${objectName === undefined || objectName === name ? '' : `  ←  ${objectName}`}`
	})
	const more = names.length > MAX_NAMES ? [`           and ${names.length - MAX_NAMES} more`] : []
	return [
		`binding    ${binding.namespace}/${binding.name}`,
		`vault      ${binding.vaultUrl ?? ''}`,
		`account    ${account.name} (tenant ${account.tenantId})`,
		`folder     ${folder}  (for you alone; ${keep ? 'stays when this ends' : 'its files are removed when this ends'})`,
		`files`,
		...lines,
		...more,
	].join('\n')
}
