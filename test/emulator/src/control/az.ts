// The `az` lines that the operator prints, parsed as strictly as they are printed.
//
// A line is not run by a shell: it is split by the few rules of quoting that the lines use, then must fit one of
// three forms to the last character. Whatever does not fit is refused, so that a test which executes a printed
// line proves that the line is whole.
import { ControlError } from './types.ts'

export type AzCommand =
	| {
			kind: 'federated-credential'
			name: string
			identityOf: string
			groupOf: string
			issuer: string
			subject: string
			audience: string
	  }
	| { kind: 'role-assignment'; role: string; assignee: string; vault: string }
	| { kind: 'set-policy'; vault: string; spn: string; permissions: string[] }

/** Longer than any line the operator prints. */
const MAX_LENGTH = 4096

/** One word: plain, in double quotes, or a quoted `$(…)`; inside the last, quotes nest one level. */
type Word = { kind: 'text'; text: string } | { kind: 'substitution'; text: string }

const bad = (why: string): ControlError =>
	new ControlError(`not one of the az lines that this emulator executes: ${why}`, 'AzNotSupported')

function splitLine(line: string): Word[] {
	if (line.length > MAX_LENGTH) throw bad('too long')
	const words: Word[] = []
	let rest = line.trim()
	while (rest !== '') {
		const match =
			/^"\$\(([^()`$\\]*)\)"(?=\s|$)/.exec(rest) ??
			/^"([^"`$\\]*)"(?=\s|$)/.exec(rest) ??
			/^'([^']*)'(?=\s|$)/.exec(rest) ??
			/^([A-Za-z0-9_./:@=+-]+)(?=\s|$)/.exec(rest)
		if (!match) throw bad(`cannot read it from: ${rest.slice(0, 40)}`)
		const [whole, text = ''] = match
		words.push({ kind: whole.startsWith('"$(') ? 'substitution' : 'text', text })
		rest = rest.slice(whole.length).trimStart()
	}
	return words
}

export function parseAz(line: string): AzCommand {
	const words = splitLine(line)
	const verb = words.map((word) => word.text).join(' ')
	if (verb.startsWith('az identity federated-credential create ')) {
		const options = parseOptions(words.slice(4), [
			'--name',
			'--identity-name',
			'--resource-group',
			'--issuer',
			'--subject',
			'--audiences',
		])
		return {
			kind: 'federated-credential',
			name: text(options, '--name'),
			identityOf: identityQuery(substitution(options, '--identity-name'), 'name'),
			groupOf: identityQuery(substitution(options, '--resource-group'), 'resourceGroup'),
			issuer: text(options, '--issuer'),
			subject: text(options, '--subject'),
			audience: text(options, '--audiences'),
		}
	}
	if (verb.startsWith('az role assignment create ')) {
		const options = parseOptions(words.slice(4), ['--role', '--assignee', '--scope'])
		return {
			kind: 'role-assignment',
			role: text(options, '--role'),
			assignee: text(options, '--assignee'),
			vault: vaultQuery(substitution(options, '--scope')),
		}
	}
	if (verb.startsWith('az keyvault set-policy ')) {
		const options = parseOptions(words.slice(3), ['--name', '--spn', '--secret-permissions'])
		const permissions = (options.get('--secret-permissions') ?? []).map((word) => word.text)
		return { kind: 'set-policy', vault: text(options, '--name'), spn: text(options, '--spn'), permissions }
	}
	throw bad('unknown command')
}

/** Every option once, none unknown, none missing, each with at least one value. */
function parseOptions(words: readonly Word[], names: readonly string[]): Map<string, Word[]> {
	const options = new Map<string, Word[]>()
	let values: Word[] | undefined
	for (const word of words) {
		if (word.kind === 'text' && word.text.startsWith('--')) {
			if (!names.includes(word.text) || options.has(word.text))
				throw bad(`option ${word.text} is unknown or given twice`)
			values = []
			options.set(word.text, values)
		} else if (values) values.push(word)
		else throw bad(`a value without an option: ${word.text.slice(0, 40)}`)
	}
	for (const name of names) if (!options.get(name)?.length) throw bad(`option ${name} is missing or has no value`)
	return options
}

function only(options: ReadonlyMap<string, Word[]>, name: string, kind: Word['kind']): string {
	const [word, ...more] = options.get(name) ?? []
	if (word?.kind !== kind || more.length > 0) throw bad(`option ${name} does not have the value it should have`)
	return word.text
}

const text = (options: ReadonlyMap<string, Word[]>, name: string): string => only(options, name, 'text')
const substitution = (options: ReadonlyMap<string, Word[]>, name: string): string => only(options, name, 'substitution')

/** `az identity list --query "[?clientId=='<id>'].<field>" -o tsv` → the client id. */
function identityQuery(command: string, field: 'name' | 'resourceGroup'): string {
	const match = new RegExp(`^az identity list --query "\\[\\?clientId=='([^']+)'\\]\\.${field}" -o tsv$`).exec(command)
	if (!match?.[1]) throw bad(`the identity's ${field} is not looked up as expected`)
	return match[1]
}

/** `az keyvault show --name <vault> --query id -o tsv` → the vault. */
function vaultQuery(command: string): string {
	const match = /^az keyvault show --name ([a-zA-Z0-9-]+) --query id -o tsv$/.exec(command)
	if (!match?.[1]) throw bad("the vault's id is not looked up as expected")
	return match[1]
}
