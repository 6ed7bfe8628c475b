import { describe, expect, it } from 'vitest'
import { parseConfig } from './config.ts'

const env = {
	POD_NAMESPACE: 'ns',
	POD_SERVICE_ACCOUNT: 'sa',
	POD_NAME: 'pod-1',
	KUBERNETES_SERVICE_HOST: '10.0.0.1',
	KUBERNETES_SERVICE_PORT: '443',
}

describe('the configuration', () => {
	it('of a pod needs no flags', () => {
		expect(parseConfig([], env)).toMatchObject({
			kind: 'run',
			config: {
				namespace: 'ns',
				serviceAccount: 'sa',
				identity: 'pod-1',
				port: 8080,
				healthPort: 8081,
				metricsAuth: false,
				logLevel: 'info',
				allowUnfenced: false,
				kubeconfig: undefined,
				pod: { host: '10.0.0.1', port: '443', folder: '/var/run/secrets/kubernetes.io/serviceaccount' },
			},
		})
	})
	it('outside a pod needs a kubeconfig', () => {
		const { KUBERNETES_SERVICE_HOST: _, ...outside } = env
		expect(parseConfig([], outside)).toMatchObject({ problem: expect.stringContaining('write --kubeconfig') as string })
		expect(parseConfig(['--kubeconfig', 'f'], outside)).toMatchObject({ config: { kubeconfig: 'f', pod: undefined } })
	})
	it('takes authorisation of metrics from a flag or the environment, where only true is true', () => {
		expect(parseConfig(['--metrics-auth'], env)).toMatchObject({ config: { metricsAuth: true } })
		expect(parseConfig([], { ...env, METRICS_AUTH: 'true' })).toMatchObject({ config: { metricsAuth: true } })
		expect(parseConfig([], { ...env, METRICS_AUTH: 'false' })).toMatchObject({ config: { metricsAuth: false } })
	})
	it('prefers flags to the environment', () => {
		const args = [
			'--namespace',
			'other',
			'--port',
			'0',
			'--allow-unfenced',
			'--vault-suffix',
			'vault.emu.test',
			'--vault-suffix',
			'v.example',
		]
		expect(parseConfig(args, env)).toMatchObject({
			config: { namespace: 'other', port: 0, allowUnfenced: true, vaultSuffixes: ['vault.emu.test', 'v.example'] },
		})
	})
	it.each([
		[['--port', 'x'], '--port'],
		[['--port', '70000'], '--port'],
		[['--health-port', '-1'], '--health-port'],
		[['--health-port', '8080'], '--health-port'],
		[['--log-level', 'loud'], '--log-level'],
		[['--concurrency', '0'], '--concurrency'],
		[['--vault-rate', '0'], '--vault-rate'],
		[['--vault-rate', '401'], '--vault-rate'],
		[['--vault-rate', 'fast'], '--vault-rate'],
		[['--vault-rate', '1.5'], '--vault-rate'],
		[['--vault-suffix', 'nonsense'], '--vault-suffix'],
		[['--authority-host', 'http://login'], '--authority-host'],
		[['--namespaces', ''], '--namespaces'],
		[['--namespaces', 'payments,'], '--namespaces'],
		[['--namespaces', '../secrets'], '--namespaces'],
		[['--namespaces', 'Payments'], '--namespaces'],
		[['--unknown'], '--unknown'],
	])('with %s is refused by name', (args, text) => {
		const parsed = parseConfig(args, env)
		expect(parsed.kind).toBe('invalid')
		expect(parsed.kind === 'invalid' && parsed.problem).toContain(text)
	})
	it('takes a list of namespaces, each once', () => {
		expect(parseConfig([], env)).toMatchObject({ config: { namespaces: undefined } })
		expect(parseConfig(['--namespaces', 'shop,payments,shop'], env)).toMatchObject({
			config: { namespaces: ['shop', 'payments'] },
		})
	})
	it('takes a rate of calls to one vault, and leaves the default to the budget', () => {
		expect(parseConfig([], env)).toMatchObject({ config: { vaultRate: undefined } })
		expect(parseConfig(['--vault-rate', '5'], env)).toMatchObject({ config: { vaultRate: 5 } })
	})
	it('takes the shortest interval as the resource writes one, and nothing outside its bounds', () => {
		expect(parseConfig([], env)).toMatchObject({ config: { minIntervalMs: undefined } })
		expect(parseConfig(['--min-interval', '1m30s'], env)).toMatchObject({ config: { minIntervalMs: 90_000 } })
		for (const wrong of ['4s', '25h', '60', '1d', ''])
			expect(parseConfig(['--min-interval', wrong], env)).toMatchObject({
				kind: 'invalid',
				problem: '--min-interval is a time from 5s to 24h, such as 1m30s',
			})
	})
	it('without a namespace says what to write', () => {
		expect(parseConfig([], {})).toMatchObject({
			kind: 'invalid',
			problem: expect.stringContaining('POD_NAMESPACE') as string,
		})
	})
	it('explains itself', () => {
		expect(parseConfig(['--help'], {})).toMatchObject({ kind: 'help' })
	})
})
