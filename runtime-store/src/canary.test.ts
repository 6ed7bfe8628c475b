import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createScanner } from '../../test/canary/scanner.ts'
import { startTestVault } from '../test/vault.ts'
import { MANIFEST_FILE, type Manifest, type ManifestSecret, serializeManifest } from './manifest/index.ts'
import { AtomicWriter } from './testing/index.ts'

const value = () => `canary-${randomBytes(18).toString('base64url')}`

it('shows no value in logs, errors, spans, printed objects, nor in the heap when it is destroyed', async () => {
	const folder = await mkdtemp(join(tmpdir(), 'asb-canary-'))
	await using vault = await startTestVault()
	const { control, tenantId, authorityHost, caPem } = vault.emulator
	const [planted, mounted, older, beyond, written, disabled, clientSecret] = [
		value(),
		value(),
		value(),
		value(),
		value(),
		value(),
		value(),
	]
	const clientId = randomUUID()
	await control.addClient({ clientId, clientSecret })
	await control.grant({ clientId, role: 'Key Vault Secrets Officer', vault: 'payments' })
	await control.setSecret({ vault: 'payments', name: 'beyond', value: beyond })
	await control.setSecret({ vault: 'payments', name: 'disabled', value: disabled, enabled: false })

	const secret = (change: Partial<ManifestSecret>): ManifestSecret => ({
		objectName: 'mounted',
		version: 'v2',
		state: 'Current',
		pinned: false,
		tags: {},
		previous: [],
		...change,
	})
	const manifest: Manifest = {
		schema: 1,
		revision: 1,
		binding: { namespace: 'payments', name: 'payments', uid: 'u' },
		vault: vault.url,
		selectors: [],
		secrets: {
			mounted: secret({ previous: [{ version: 'v1' }], expires: '2030-01-01T00:00:00Z' }),
			binary: secret({ objectName: 'binary' }),
		},
	}
	const mountPath = join(folder, 'mount')
	const binary = Buffer.concat([Buffer.from([255, 0]), Buffer.from(older)])
	const files = { mounted, 'mounted.previous': older, binary, [MANIFEST_FILE]: serializeManifest(manifest) }
	await new AtomicWriter(mountPath).write(files)

	const path = (name: string) => join(folder, name)
	await writeFile(path('written'), written)
	await writeFile(path('client-secret'), clientSecret)
	await writeFile(path('planted'), planted)
	await writeFile(path('ca.crt'), caPem)
	const input = {
		mountPath,
		vaultUrl: vault.url,
		authorityHost,
		tenantId,
		clientId,
		clientSecretFile: path('client-secret'),
		writtenFile: path('written'),
		plantedFile: path('planted'),
		snapshotFile: path('heap.heapsnapshot'),
	}
	const child = join(import.meta.dirname, '..', 'test', 'canary-child.ts')
	const run = await promisify(execFile)(
		process.execPath,
		['--conditions=asb-source', '--expose-gc', child, JSON.stringify(input)],
		{
			env: { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: path('ca.crt') },
			timeout: 60_000,
			maxBuffer: 1 << 26,
		},
	)
	expect(run.stdout).toContain('done')
	// It did print what it was told to print.
	for (const text of ['AzureMountedSecretStore', 'Deleted', 'InvalidName', 'Binary', 'functionExecution', 'pending'])
		expect(run.stdout).toContain(text)

	// The client secret is the credential's, which the application holds: it is looked for only in what is printed.
	const secrets = Object.entries({ mounted, older, beyond, written, disabled }).map(([name, text]) => ({
		name,
		value: text,
	}))
	const scanner = createScanner([...secrets, { name: 'clientSecret', value: clientSecret }])
	expect([...scanner.scan('stdout', run.stdout), ...scanner.scan('stderr', run.stderr)]).toStrictEqual([])
	// The child holds one value on purpose: what finds that one would find the others.
	const heap = await readFile(input.snapshotFile, 'utf8')
	const found = createScanner([...secrets, { name: 'planted', value: planted }], { jwt: false }).scan('heap', heap)
	expect([...new Set(found.map(({ canary }) => canary))]).toStrictEqual(['planted'])
	await rm(folder, { recursive: true, force: true })
}, 90_000)
