import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStage, type Stage } from './stage.ts'

// What the API server itself refuses, and that each refusal says what to write instead. No operator runs.
describe('the API server', () => {
	let stage: Stage
	beforeAll(async () => {
		stage = await openStage({ name: 'crd' })
	})
	afterAll(() => stage?.close())
	const secret = (more: object) => ({ delivery: { secret: { name: 's', ...more } } })
	const tls = [{ name: 'tls.crt', objectName: 'c' }]

	const refused: [string, string, Record<string, unknown>, string][] = [
		[
			'a vault without a suffix',
			'b',
			{ vault: { url: 'https://evil' } },
			"write the vault's URL as https://<vault name>.vault.azure.net",
		],
		['a vault over http', 'b', { vault: { url: 'http://payments.vault.azure.net' } }, "write the vault's URL"],
		['a vault with a port', 'b', { vault: { url: 'https://payments.vault.azure.net:444' } }, "write the vault's URL"],
		['a vault with a user', 'b', { vault: { url: 'https://a@payments.vault.azure.net' } }, "write the vault's URL"],
		['a vault with a tab', 'b', { vault: { url: 'https://pay\tments.vault.azure.net' } }, "write the vault's URL"],
		['a vault without slashes', 'b', { vault: { url: 'https:payments.vault.azure.net' } }, "write the vault's URL"],
		[
			'an audience of the cluster',
			'b',
			{ identity: { serviceAccountName: 'x', audience: 'https://kubernetes.default.svc' } },
			'api://AzureADTokenExchange',
		],
		['a client id that is none', 'b', { identity: { serviceAccountName: 'x', clientId: '$(id)' } }, 'clientId'],
		['nothing to deliver', 'b', { secrets: [] }, 'add secrets, certificates or select'],
		['a selector of everything', 'b', { select: [{}] }, 'write prefix or tags'],
		['stripping without a prefix', 'b', { select: [{ tags: { a: 'b' }, stripPrefix: true }] }, 'write prefix too'],
		['eleven older versions', 'b', { secrets: [{ name: 'a', previous: 11 }] }, 'previous'],
		['delivery by Secret without one', 'b', { delivery: { type: 'Secret' } }, 'needs the name of the Secret'],
		['a Secret for a volume', 'b', { delivery: { type: 'Volume', secret: { name: 's' } } }, 'leave out secret'],
		['a volume for a Secret', 'b', { delivery: { secret: { name: 's' }, volume: {} } }, 'write type: Volume'],
		['refreshed pods of volumes', 'b', { delivery: { type: 'Volume', refreshPods: false } }, 'leave it out'],
		['a mode without its zero', 'b', { delivery: { type: 'Volume', volume: { mode: 440 } } }, 'leading zero'],
		['a mode that writes', 'b', { delivery: { type: 'Volume', volume: { mode: '0640' } } }, 'leading zero'],
		['a day and more offline', 'b', { delivery: { type: 'Volume', volume: { offlineFor: '25h' } } }, '0s to 24h'],
		['a policy that is none', 'b', { policy: { absent: 'Previous' } }, 'Unsupported value'],
		['a decoding that is none', 'b', { secrets: [{ name: 'a', decode: 'Gzip' }] }, 'Unsupported value'],
		['a pointer without its slash', 'b', { secrets: [{ name: 'a', property: 'a' }] }, 'property'],
		[
			'a certificate with one name for two files',
			'b',
			{ certificates: [{ objectName: 'c', cert: 'x', key: 'x' }] },
			'write different names',
		],
		[
			'a file of a certificate named as a secret',
			'b',
			{ certificates: [{ objectName: 'c', cert: 'x', key: 'y', ca: 'a' }] },
			'a secret and a file of a certificate have the same name',
		],
		[
			'two certificates with one file',
			'b',
			{
				certificates: [
					{ objectName: 'c', cert: 'x', key: 'y', ca: 'z' },
					{ objectName: 'd', cert: 'z', key: 'w' },
				],
			},
			'files of two certificates have the same name',
		],
		[
			'a reserved name for a key',
			'b',
			{ certificates: [{ objectName: 'c', cert: 'x', key: 'y.previous' }] },
			'write "-previous"',
		],
		['a name of readers', 'b', { secrets: [{ name: 'a.previous-2', objectName: 'a' }] }, 'write "-previous"'],
		['a name of the kubelet', 'b', { secrets: [{ name: '..data', objectName: 'a' }] }, 'without the leading dots'],
		[
			'the name of the manifest',
			'b',
			{ secrets: [{ name: '.binding.json', objectName: 'a' }] },
			'write "binding.json"',
		],
		['a name with a slash', 'b', { secrets: [{ name: 'a/b', objectName: 'a' }] }, 'name'],
		['a name that Key Vault does not know, without objectName', 'b', { secrets: [{ name: 'a_b' }] }, 'add objectName'],
		['a version that is none', 'b', { secrets: [{ name: 'a', version: 'latest' }] }, 'version'],
		['a type that others act upon', 'b', secret({ type: 'kubernetes.io/service-account-token' }), 'Unsupported value'],
		[
			'a type without its keys',
			'b',
			{ ...secret({ type: 'kubernetes.io/tls' }), secrets: tls },
			'needs tls.crt and tls.key',
		],
		['our own label', 'b', secret({ labels: { 'secrets.purista.dev/binding': 'other' } }), 'leave them out'],
		['an interval of a second', 'b', { refresh: { interval: '1s' } }, 'write a time from 5s to 24h'],
		['an interval of two days', 'b', { refresh: { interval: '48h' } }, 'write a time from 5s to 24h'],
		['a long name', 'b'.repeat(64), {}, 'write at most 63 characters'],
	]
	it.each(refused)('refuses %s', async (_, name, spec, text) => {
		await expect(stage.apply(name, { secrets: [{ name: 'a' }], ...spec })).rejects.toThrow(text)
	})

	it('refuses the same name twice', async () => {
		await expect(stage.apply('twice', { secrets: [{ name: 'a' }, { name: 'a' }] })).rejects.toThrow(/duplicate/i)
	})

	it('accepts the largest that there may be', async () => {
		const secrets = Array.from({ length: 500 }, (_, i) => ({
			name: `${i}-`.padEnd(220, 'x'),
			objectName: 'o'.repeat(127),
			version: 'f'.repeat(32),
		}))
		const certificates = Array.from({ length: 16 }, (_, i) => ({
			objectName: 'o'.repeat(127),
			cert: `cert-${i}-`.padEnd(220, 'x'),
			key: `key-${i}-`.padEnd(220, 'x'),
			ca: `ca-${i}-`.padEnd(220, 'x'),
			version: 'f'.repeat(32),
		}))
		await stage.apply('large', {
			secrets,
			certificates,
			...secret({ labels: Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`l${i}`, 'v'])) }),
		})
	})

	it('accepts the clouds, and every type with its keys', async () => {
		for (const suffix of ['vault.azure.net', 'vault.azure.cn', 'vault.usgovcloudapi.net', 'vault.cloud.example']) {
			await stage.apply('cloud', { secrets: [{ name: 'a' }], vault: { url: `https://payments.${suffix}` } })
		}
		const keys = {
			'kubernetes.io/tls': ['tls.crt', 'tls.key'],
			'kubernetes.io/basic-auth': ['username'],
			'kubernetes.io/ssh-auth': ['ssh-privatekey'],
			'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
		}
		for (const [type, names] of Object.entries(keys)) {
			await stage.apply('typed', { secrets: names.map((name) => ({ name, objectName: 'o' })), ...secret({ type }) })
		}
		await stage.apply('certified', {
			certificates: [{ objectName: 'shop', cert: 'tls.crt', key: 'tls.key' }],
			...secret({ type: 'kubernetes.io/tls' }),
		})
	})
})
