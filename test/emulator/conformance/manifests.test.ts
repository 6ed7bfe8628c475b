// `azure-key-vault-emulator manifests` and `--seed`: what a cluster of somebody's own tests is given.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmulator } from 'azure-key-vault-emulator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { type Binding, isFresh } from '../src/kind/binding.ts'
import { manifests } from '../src/kind/manifests.ts'
import { applySeed, parseSeed } from '../src/kind/seed.ts'

const ROOT = join(import.meta.dirname, '../../..')
const VALUE = 'CANARY-seed-value'
const SEED = `
vaults:
  payments:
    payments-db: ${VALUE}
    api-key: { value: k-1, contentType: text/plain, tags: { team: payments }, enabled: false, expires: 4102444800 }
  empty:
identities:
- { serviceAccount: shop/reader, role: Key Vault Reader, vaults: [payments] }
`

interface Thing {
	kind: string
	metadata: { namespace?: string; name: string; labels?: object; annotations?: Record<string, string> }
	stringData?: Record<string, string>
	data?: Record<string, string>
	spec?: { clusterIP?: string; template: { metadata: { annotations: Record<string, string> } } }
}

let folder: string
let print: (...args: string[]) => Promise<string>
let things: (...args: string[]) => Promise<Thing[]>
beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), 'emulator-manifests-'))
	await writeFile(join(folder, 'secrets.yaml'), SEED)
	print = (...args) => manifests(['--ca-folder', join(folder, 'ca'), ...args], {})
	things = async (...args) =>
		parseAllDocuments(await print(...args)).map((document) => (document as { toJS(): unknown }).toJS() as Thing)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const ARGS = (): string[] => ['--vault', 'payments', '--seed', join(folder, 'secrets.yaml')]
const deploymentOf = (all: readonly Thing[]): Thing | undefined => all.find(({ kind }) => kind === 'Deployment')

describe('manifests', () => {
	it('prints emulator, CA, seed and identities, with values in a Secret and nowhere else', async () => {
		const all = await things(...ARGS(), '--identity', 'payments/payments')
		expect(all.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)).toEqual([
			'Namespace /azure-key-vault-emulator',
			'ServiceAccount azure-key-vault-emulator/emulator',
			'Secret azure-key-vault-emulator/emulator-ca',
			'Secret azure-key-vault-emulator/emulator-seed',
			'Service azure-key-vault-emulator/emulator',
			'Deployment azure-key-vault-emulator/emulator',
			'Namespace /azure-secret-binding-system',
			'ConfigMap azure-secret-binding-system/emulator-ca',
			'Namespace /payments',
			'ServiceAccount payments/payments',
			'RoleBinding payments/azure-secret-binding',
			'Namespace /shop',
			'ServiceAccount shop/reader',
			'RoleBinding shop/azure-secret-binding',
			'ConfigMap payments/emulator-ca',
			'ConfigMap shop/emulator-ca',
		])
		for (const thing of all)
			expect(JSON.stringify(thing).includes(VALUE), thing.metadata.name).toBe(thing.metadata.name === 'emulator-seed')
		const key = all.find(({ metadata }) => metadata.name === 'emulator-ca')?.stringData?.['ca.key']
		expect(key).toContain('PRIVATE KEY')
		for (const thing of all.filter(({ kind }) => kind === 'ConfigMap'))
			expect(JSON.stringify(thing)).not.toContain('PRIVATE KEY')
	})

	it('prints the same text twice, and makes a new pod for another seed without a guessable hash', async () => {
		expect(await print(...ARGS())).toBe(await print(...ARGS()))
		const runOf = async (...args: string[]) =>
			deploymentOf(await things(...args))?.spec?.template.metadata.annotations['azure-key-vault-emulator/run']
		const one = await runOf(...ARGS())
		await writeFile(join(folder, 'other.yaml'), SEED.replace(VALUE, 'another'))
		expect(await runOf('--vault', 'payments', '--seed', join(folder, 'other.yaml'))).not.toBe(one)
		// The same seed under another CA: who has no key cannot compute it.
		const foreign = await manifests([...ARGS(), '--ca-folder', join(folder, 'ca-2')], {})
		expect(foreign).not.toContain(one)
	})

	it('seeds an emulator with what it prints: secrets, identity, federation and grants', async () => {
		const all = await things(...ARGS(), '--identity', 'payments/payments')
		const secret = all.find(({ metadata }) => metadata.name === 'emulator-seed')
		const account = all.find(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === 'payments')
		const emulator = await startEmulator()
		const { control } = emulator
		try {
			const seed = parseSeed(secret?.stringData?.['seed.json'] ?? '', 'seed.json')
			await applySeed(control, seed, 'https://cluster.example')
			// As after a restart with a state file.
			await control.setSecret({ vault: 'payments', name: 'payments-db', value: 'changed' })
			await applySeed(control, seed, 'https://cluster.example')
			expect((await control.getSecret({ vault: 'payments', name: 'payments-db' })).value).toBe('changed')
			expect(await control.getSecret({ vault: 'payments', name: 'api-key' })).toMatchObject({
				...{ value: 'k-1', contentType: 'text/plain', tags: { team: 'payments' }, enabled: false, expires: 4102444800 },
			})
			const { clients, grants, vaults } = await control.overview()
			expect(vaults.map(({ name }) => name)).toEqual(['payments', 'empty'])
			const [payments, reader] = clients
			expect(payments?.clientId).toBe(account?.metadata.annotations?.['azure.workload.identity/client-id'])
			expect(payments?.federated).toMatchObject([
				{ issuer: 'https://cluster.example', subject: 'system:serviceaccount:payments:payments' },
			])
			expect(grants).toEqual([
				{ clientId: payments?.clientId, role: 'Key Vault Secrets User', vault: 'payments' },
				{ clientId: payments?.clientId, role: 'Key Vault Secrets User', vault: 'empty' },
				{ clientId: reader?.clientId, role: 'Key Vault Reader', vault: 'payments' },
			])
			await expect(applySeed(control, seed, undefined)).rejects.toThrow('need a cluster')
		} finally {
			await emulator.close()
		}
	})

	it('prints what deploy/kustomize/emulator is, and its namespace is the operator’s own', async () => {
		const file = await readFile(join(ROOT, 'deploy/kustomize/emulator/kustomization.yaml'), 'utf8')
		expect(parse(file)).toEqual(parse(await print('--vault', 'payments', '--print', 'operator')))
		const own = parse(await readFile(join(ROOT, 'deploy/kustomize/base/namespace.yaml'), 'utf8')) as unknown
		expect(await things(...ARGS())).toContainEqual(own)
	})

	it('prints what a pod needs that calls the vault itself', async () => {
		const text = await print('--vault', 'payments', '--print', 'pod', '--identity', 'payments/payments')
		expect(parse(text)).toMatchObject({
			serviceAccountName: 'payments',
			hostAliases: [{ ip: '10.96.0.44', hostnames: ['login.microsoftonline.com', 'payments.vault.azure.net'] }],
		})
		await expect(print('--vault', 'payments', '--print', 'pod')).rejects.toThrow('--identity NAMESPACE/SERVICEACCOUNT')
	})

	it.each([
		[[], 'name a vault'],
		[['--vault', 'UPPER'], '--vault is 3-24'],
		[['--vault', 'payments', '--cluster-ip', 'here'], '--cluster-ip is an IP address'],
		[['--vault', 'payments', '--print', 'all'], '--print is objects, operator or pod'],
		[['--vault', 'payments', '--identity', 'payments'], '--identity is NAMESPACE/SERVICEACCOUNT'],
		[['--vault', 'payments', '--seed', '/nowhere.yaml'], 'cannot be read: ENOENT'],
		[['--vault', 'payments', '--speed', 'x'], "Unknown option '--speed'"],
	])('refuses %j and says what to write instead', async (args, message) => {
		await expect(print(...args)).rejects.toThrow(message)
	})
})

describe('a seed', () => {
	it.each([
		['[]', 'the file has to be a mapping'],
		['secrets: {}', 'secrets is unknown'],
		['vaults: [payments]', 'vaults has to map'],
		['vaults: {P: {}}', 'vaults.P is not 3-24'],
		['vaults: {payments: {a_b: x}}', 'vaults.payments.a_b is not a name'],
		[`vaults: {payments: {a: 1}}`, 'vaults.payments.a has to be a string (quote numbers)'],
		[`vaults: {payments: {a: {value: 1}}}`, 'vaults.payments.a has no value that is a string'],
		[`vaults: {payments: {a: {value: ${VALUE}, tag: x}}}`, 'vaults.payments.a has an unknown field tag'],
		[`vaults: {payments: {a: {value: ${VALUE}, tags: {x: 1}}}}`, 'has a tag that is no string'],
		[`vaults: {payments: {a: {value: ${VALUE}, expires: tomorrow}}}`, 'has a time'],
		[`vaults: {payments: {a: "${VALUE}`, 'is not YAML'],
		[`vaults: {payments: {db: x, DB: ${VALUE}}}`, 'vaults.payments.DB is the secret db'],
		['identities: {}', 'identities has to be a list'],
		['identities: [{serviceAccount: payments}]', 'identities[0] has a serviceAccount other than namespace/name'],
		['identities: [{serviceAccount: a/b, roles: x}]', 'identities[0] has an unknown field roles'],
	])('%s is refused without showing a value', (text, message) => {
		const error = (() => {
			try {
				return parseSeed(text, 'secrets.yaml')
			} catch (thrown) {
				return thrown as Error
			}
		})()
		expect((error as Error).message).toContain(message)
		expect((error as Error).message).not.toContain(VALUE)
	})
})

describe('a binding of a lab', () => {
	const status = (changes: object = {}): Binding => ({
		metadata: { name: 'payments', namespace: 'n', generation: 2 },
		status: {
			observedGeneration: 2,
			conditions: [{ type: 'Fresh', status: 'True', reason: 'UpToDate', message: '' }],
			secrets: [{ name: 'db', objectName: 'payments-db', version: 'v2' }],
			...changes,
		},
	})
	const binding = { name: 'payments', vault: 'payments', secrets: [{ name: 'db', objectName: 'payments-db' }] }
	const current = new Map([['payments-db', 'v2']])
	it.each([
		['fresh with the version of the vault', status(), true],
		['Fresh about an older spec', status({ observedGeneration: 1 }), false],
		['not Fresh', status({ conditions: [{ type: 'Fresh', status: 'False', reason: 'x', message: '' }] }), false],
		[
			'Fresh, and the vault has been rotated since',
			status({ secrets: [{ name: 'db', objectName: 'payments-db', version: 'v1' }] }),
			false,
		],
		['Fresh without a secret that is wanted', status({ secrets: [] }), false],
	])('that is %s', (_what, given, fresh) => {
		expect(isFresh(given, binding, current)).toBe(fresh)
	})
	it('that pins a version does not wait for another', () => {
		const pinned = { ...binding, secrets: [{ name: 'db', objectName: 'payments-db', version: 'v1' }] }
		expect(
			isFresh(status({ secrets: [{ name: 'db', objectName: 'payments-db', version: 'v1' }] }), pinned, current),
		).toBe(true)
	})
})
