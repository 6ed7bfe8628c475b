import { parseAllDocuments } from 'yaml'
import { API_VERSION, DNS_NAME, KIND, VAULT_URL_ANNOTATION } from '../api/constants.ts'
import { type Binding, parseBinding } from '../api/parse.ts'

/** What a file of YAML documents holds for this program. */
export type Documents =
	| { kind: 'ok'; bindings: Binding[]; skipped: string[] }
	/** what to write instead */
	| { kind: 'invalid'; problem: string }

interface Document {
	apiVersion?: unknown
	kind?: unknown
	metadata?: { name?: unknown; namespace?: unknown; annotations?: Record<string, string> }
}

/** The uid of a binding that no API server knows. Readers of the manifest tell places apart by it. */
export const localUid = (namespace: string, name: string) => `local:${namespace}/${name}`

/**
 * Reads the same YAML that kubectl applies: bindings, and the ServiceAccounts beside them for the annotation that names the
 * vault. Other documents are skipped.
 */
export function readDocuments(text: string): Documents {
	const parsed = parseAllDocuments(text)
	const invalid = (problem: string): Documents => ({ kind: 'invalid', problem })
	const documents: Document[] = []
	for (const each of Array.isArray(parsed) ? parsed : []) {
		const [error] = each.errors
		if (error) return invalid(`the file is no YAML: ${error.message.split('\n')[0] ?? ''}`)
		let value: unknown
		try {
			value = each.toJS()
		} catch {
			return invalid('the file is no YAML that can be read: it has too many aliases')
		}
		if (typeof value === 'object' && value !== null) documents.push(value as Document)
	}
	const isBinding = ({ apiVersion, kind }: Document) => kind === KIND && apiVersion === API_VERSION
	const other = documents.find(({ apiVersion, kind }) => kind === KIND && apiVersion !== API_VERSION)
	if (other) return invalid(`an ${KIND} has the apiVersion ${String(other.apiVersion)}: write ${API_VERSION}`)
	const vaults = new Map(
		documents
			.filter(({ kind }) => kind === 'ServiceAccount')
			.map((account) => [keyOf(account), account.metadata?.annotations?.[VAULT_URL_ANNOTATION]]),
	)
	const bindings: Binding[] = []
	for (const document of documents.filter(isBinding)) {
		const { name } = document.metadata ?? {}
		if (typeof name !== 'string') return invalid(`an ${KIND} has no metadata.name`)
		const namespace = namespaceOf(document)
		// It becomes the name of a folder, and both are printed.
		if (name.length > 253 || !DNS_NAME.test(name) || !LABEL.test(namespace))
			return invalid(
				'metadata.name and metadata.namespace are lower-case letters, digits and "-", as Kubernetes takes them',
			)
		const metadata = { ...document.metadata, namespace, name, uid: localUid(namespace, name), generation: 1 }
		const parsed = parseBinding({ ...document, metadata })
		if (parsed.kind === 'invalid') return invalid(`${namespace}/${name}: ${parsed.problem}`)
		if (parsed.kind === 'suspended')
			return invalid(`${namespace}/${name}: spec.suspend is true, so nothing is to be done`)
		const { binding } = parsed
		const vaultUrl = binding.vaultUrl ?? vaults.get(`${namespace}/${binding.identity.serviceAccountName}`)
		if (vaultUrl === undefined)
			return invalid(
				`${namespace}/${name}: spec.vault.url is missing, and the file has no ServiceAccount that names a vault`,
			)
		bindings.push({ ...binding, vaultUrl: vaultUrl.replace(/\/$/, '') })
	}
	if (bindings.length === 0) return invalid(`the file has no ${KIND}`)
	const keys = bindings.map(({ namespace, name }) => `${namespace}/${name}`)
	const twice = keys.find((key, i) => keys.indexOf(key) !== i)
	if (twice !== undefined) return invalid(`${twice} occurs twice: write it once`)
	const skipped = documents
		.filter((each) => !isBinding(each) && each.kind !== 'ServiceAccount')
		.map((each) => [each.kind, each.metadata?.name].map(plain).join(' '))
	return { kind: 'ok', bindings, skipped }
}

// RFC 1123, as the API server asks of names.
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** Something to print: a name as Kubernetes takes it, nothing that a terminal obeys. */
const plain = (text: unknown) => (typeof text === 'string' && /^[-.\w]{1,253}$/.test(text) ? text : 'without a name')

const namespaceOf = ({ metadata }: Document) =>
	typeof metadata?.namespace === 'string' ? metadata.namespace : 'default'
const keyOf = (document: Document) => `${namespaceOf(document)}/${String(document.metadata?.name)}`
