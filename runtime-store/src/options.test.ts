import { initLogger } from '@purista/core'
import { expect, it } from 'vitest'
import { AzureMountedSecretStore, azureMountedSecretStoreConfigSchema } from './index.ts'

const make = (config: object) => () =>
	new AzureMountedSecretStore({ mountPath: [], logger: initLogger('fatal'), ...config } as never)

it.each([
	['no mountPath', { mountPath: undefined }, /mountPath: .*\[\] for the vault alone/],
	['a mountPath that is no string', { mountPath: 5 }, /mountPath: /],
	['a URL that is none', { vaultUrl: 'payments' }, /vaultUrl: has to be a URL/],
	['a URL of another scheme', { vaultUrl: 'ftp://payments.vault.azure.net' }, /vaultUrl: has to begin with https/],
	['a URL without TLS', { vaultUrl: 'http://127.0.0.1:8443' }, /allowInsecureConnection/],
	['a URL with a path', { vaultUrl: 'https://payments.vault.azure.net/secrets/a' }, /vaultUrl: .*no path/],
	['an infinite time', { cacheTtl: Number.POSITIVE_INFINITY }, /cacheTtl: /],
	['a negative time', { pollMs: -1 }, /pollMs: /],
	['a time beyond what timers count', { staleIfErrorMs: 2 ** 31 }, /staleIfErrorMs: /],
	['no calls at once', { concurrency: 0 }, /concurrency: /],
	['half a call', { concurrency: 1.5 }, /concurrency: /],
	['a word that is none of the choices', { onDeleted: 'restore' }, /onDeleted: has to be 'fail' or 'recover'/],
	['a credential that gives no tokens', { credential: {} }, /credential: .*getToken/],
	['an alias to nothing', { aliases: { a: '' } }, /aliases\.a: /],
	['a folder to write that is not named', { writeTo: 'folder' }, /mountPath: .*folder/],
	['a misspelt option', { enableset: true }, /enableset is no option: did you mean enableSet\?/],
	['a misspelt option within one', { write: { tag: {} } }, /write\.tag is no option: did you mean write\.tags\?/],
	['an option of something else', { region: 'westeurope' }, /region is no option$/],
	['the time of tests', { clock: { now: () => 0 } }, /clock is no option/],
])('refuses %s', (_what, config, text) => {
	expect(make(config)).toThrow(text)
})

it('names all errors at once, with a reason, and quotes no value', () => {
	const canary = 'pw-7Hq2x'
	let error: unknown
	try {
		make({ vaultUrl: `https://user:${canary}@v.vault.azure.net`, concurrency: canary, clientSecret: canary })()
	} catch (caught) {
		error = caught
	}
	expect(error).toMatchObject({ errorCode: 500, data: { reason: 'InvalidOptions' } })
	expect(String(error)).toMatch(/vaultUrl: .*; concurrency: .*; clientSecret is no option/)
	expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(canary)
})

it('takes what AzureSecretStore takes, undefined as not given, and a schema that says the same', async () => {
	const config = {
		vaultUrl: 'https://payments.vault.azure.net/',
		enableCache: undefined,
		options: { retryOptions: {} },
		cacheTtl: 0,
	}
	await make(config)().destroy()
	expect(azureMountedSecretStoreConfigSchema.safeParse({ mountPath: [], concurrency: 0 }).success).toBe(false)
	expect(azureMountedSecretStoreConfigSchema.safeParse({ mountPath: [] }).success).toBe(true)
})

it('refuses names, versions and values that are no strings with 400', async () => {
	const store = make({
		vaultUrl: 'https://payments.vault.azure.net',
		enableSet: true,
		enableRemove: true,
	})() as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
	const calls: Array<[string, ...unknown[]]> = [
		['getSecret', 5],
		['getSecret', undefined],
		['getSecretBytes', {}],
		['getSecretVersion', 'a', 5],
		['describe', null],
		['setSecret', 'a', 5],
		['setSecret', 5, 'a'],
		['removeSecret', ['a']],
	]
	for (const [method, ...args] of calls)
		await expect(store[method]?.(...args), `${method}(${args})`).rejects.toMatchObject({
			errorCode: 400,
			data: { reason: 'NotAString' },
		})
	await store['destroy']?.()
})
