// Operators as processes of their own, ended by SIGKILL at the moments that matter. Nothing that they held in memory helps
// the next one: it has the Secret, the status and the vault.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { LEASE_DURATION_MS, RETRY_JITTER, RETRY_PERIOD_MS } from '../../../operator/src/cluster/lease.ts'
import { type Gateway, type Held, startGateway } from '../../kit/gateway.ts'
import { type OperatorProcess, startOperatorProcess } from '../../kit/operator-process.ts'
import { until } from '../../kit/until.ts'
import { createReader } from './reader.ts'
import { type BindingObject, manifest, openStage, type Stage, value } from './stage.ts'

// Whoever waits for the lease looks this often, at most.
const RETRY_MS = RETRY_PERIOD_MS * (1 + RETRY_JITTER)
// For the list of bindings on a machine that is busy; with a look less than the lease, so that waiting for its end would show.
const BUSY_MS = 10_000
const BINDINGS = 100
// Three pages of a list: no more calls than reads of the three secrets of a binding, so the bindings are looked at by lists.
const SECRETS = 60
const EACH = 3
const bindings = Array.from({ length: BINDINGS }, (_, i) => `b${i}`)
const secrets = Array.from({ length: SECRETS }, (_, i) => `s${i}`)
const namesOf = (binding: number) => Array.from({ length: EACH }, (_, i) => `s${(binding + 20 * i) % SECRETS}`)

describe('operators that are killed', () => {
	let stage: Stage
	let gateway: Gateway
	let operator: OperatorProcess
	const started: OperatorProcess[] = []
	const held: Held[] = []
	const expected = new Map<string, string>()

	const start = (identity: string) => {
		const { namespace, emulator } = stage
		const one = startOperatorProcess({
			server: gateway.server,
			namespace,
			namespaces: [namespace],
			identity,
			times: 10,
			leaseTimes: 1,
			emulator: { port: emulator.port, caPem: emulator.caPem },
		})
		started.push(one)
		return one
	}
	/** The same name as before, as a container that the kubelet starts again: the lease is still its own. */
	const again = async () => {
		operator = start('first')
		await operator.ready
	}
	const rotate = async (name: string, text: string) => {
		await stage.emulator.control.setSecret({ vault: stage.vault, name, value: text })
		expected.set(name, text)
	}
	const reads = async (since: number) =>
		(await stage.emulator.control.requests({ since })).filter(({ route }) => route === 'getSecret')
	const listed = async <T>(path: string) => (await stage.api.request<{ items: T[] }>({ method: 'GET', path })).items
	const allBindings = () =>
		listed<BindingObject>(`/apis/secrets.purista.dev/v1alpha1/namespaces/${stage.namespace}/azuresecretbindings`)
	const settled = ({ status }: BindingObject) =>
		status?.synced === `${EACH}/${EACH}` && status.secrets?.every(({ reason }) => reason === undefined)
	const allSettled = () =>
		until('all bindings settled', async () => (await allBindings()).every(settled), { everyMs: 500 })
	/** Every Secret holds what the vault holds, its manifest and the status of its binding tell of the same versions. */
	const equalsVault = async () => {
		const versions = new Map<string, string>()
		for (const name of secrets)
			versions.set(name, (await stage.emulator.control.getSecret({ vault: stage.vault, name })).version)
		await until(
			'Secrets and statuses that equal the vault',
			async () => {
				for (const { metadata, status } of await allBindings()) {
					const secret = await stage.secret(`${metadata.name}-secrets`)
					const told = manifest(secret) as { secrets: Record<string, { version: string }> } | null
					for (const name of namesOf(Number(metadata.name.slice(1)))) {
						if (value(secret, name) !== expected.get(name)) return false
						if (told?.secrets[name]?.version !== versions.get(name)) return false
						if (status?.secrets?.find((each) => each.name === name)?.version !== versions.get(name)) return false
					}
				}
				return true
			},
			{ everyMs: 500 },
		)
	}
	const resourceVersions = async () =>
		Object.fromEntries(
			(
				await listed<{ metadata: { name: string; resourceVersion: string } }>(
					`/api/v1/namespaces/${stage.namespace}/secrets`,
				)
			).map(({ metadata }) => [metadata.name, metadata.resourceVersion]),
		)
	/** The next request of the operator of this kind, stopped at the gateway. */
	const hold = (what: 'request' | 'answer', method: string, path: string, body = /./) => {
		const one = gateway.hold(what, (seen) => seen.method === method && seen.path === path && body.test(seen.body))
		held.push(one)
		return one
	}

	beforeAll(async () => {
		stage = await openStage({ name: 'sigkill' })
		// Three pages and not four: with an uneven list each secret would be read instead.
		await stage.emulator.control.configure({ pages: 'full' })
		gateway = await startGateway(stage.connect({}))
		for (const name of secrets) await rotate(name, `value of ${name}`)
		for (const [i, name] of bindings.entries())
			await stage.apply(name, { secrets: namesOf(i).map((each) => ({ name: each })) })
		await again()
		await allSettled()
	})
	afterEach(async () => {
		for (const each of held.splice(0)) each.release()
		// A test that failed after its kill must not be the failure of the next one.
		if (!operator.running) await again()
	})
	afterAll(async () => {
		await Promise.all(started.map((each) => each.kill()))
		await gateway?.close()
		await stage?.close()
	})

	it('with 100 bindings: the next one reads no value of a settled secret and writes no Secret', async () => {
		const [before, since] = [await resourceVersions(), Date.now()]
		await operator.kill()
		await again()
		await until('a poll at each binding', async () =>
			bindings.every((name) =>
				operator.logs.some((line) => line.includes('"reconciled"') && line.includes(`/${name}"`)),
			),
		)
		expect(await reads(since)).toEqual([])
		expect(await resourceVersions()).toEqual(before)
	})

	it('when the Secret is written and the answer has not come: nothing is written twice', async () => {
		const secret = `/api/v1/namespaces/${stage.namespace}/secrets/b0-secrets`
		const write = hold('answer', 'PATCH', secret, /"data"/)
		await rotate('s0', 'written without an answer')
		await write.arrived
		await operator.kill()
		const written = await stage.secret('b0-secrets')
		expect(value(written, 's0')).toBe('written without an answer')
		await again()
		await equalsVault()
		expect(await stage.secret('b0-secrets')).toEqual(written)
	})

	it('between the Secret and the pod refresh: the next one finishes the pod refresh', async () => {
		const { statusPath, refreshed } = await createReader(stage, 'b0-secrets')
		const refresh = hold('request', 'PATCH', statusPath)
		await rotate('s0', 'written and not told')
		await refresh.arrived
		await operator.kill()
		const written = await stage.secret('b0-secrets')
		expect(value(written, 's0')).toBe('written and not told')
		expect(await refreshed()).toBeUndefined()
		await again()
		await until('the pod refresh', async () => (await refreshed()) === written?.metadata.resourceVersion)
		await equalsVault()
		expect(await stage.secret('b0-secrets')).toEqual(written)
	})

	it('between the Secret and the status: the next one reads that secret only, and tells it', async () => {
		await equalsVault()
		await allSettled()
		const path = `/apis/secrets.purista.dev/v1alpha1/namespaces/${stage.namespace}/azuresecretbindings/b7/status`
		const status = hold('request', 'PATCH', path)
		await rotate('s7', 'written and not reported')
		await status.arrived
		// The other bindings with that secret get theirs.
		await until('all Secrets', async () => {
			const all = bindings.filter((_, i) => namesOf(i).includes('s7'))
			const values = await Promise.all(all.map(async (each) => value(await stage.secret(`${each}-secrets`), 's7')))
			return values.every((each) => each === 'written and not reported')
		})
		await operator.kill()
		const { version } = await stage.emulator.control.getSecret({ vault: stage.vault, name: 's7' })
		expect((await stage.binding('b7')).status?.secrets?.find(({ name }) => name === 's7')?.version).not.toBe(version)
		const [written, since] = [await stage.secret('b7-secrets'), Date.now()]
		await again()
		await equalsVault()
		await allSettled()
		expect(new Set((await reads(since)).map(({ secret }) => secret))).toEqual(new Set(['s7']))
		expect(await stage.secret('b7-secrets')).toEqual(written)
	})

	it('again and again during a burst of rotations: the result equals the vault', async () => {
		for (let round = 0; round < 4; round++) {
			for (const name of secrets) await rotate(name, `${name} of round ${round}`)
			const some = `b${round * 7}`
			await until('some of it', async () => {
				const secret = await stage.secret(`${some}-secrets`)
				return namesOf(round * 7).some((name) => value(secret, name) === expected.get(name))
			})
			await operator.kill()
			await again()
		}
		await equalsVault()
	})

	it('of two replicas the one that leads, during a burst of 100 rotations: the other takes over within the lease', async () => {
		const second = start('second')
		await until('the second one sees who leads', async () =>
			second.logs.some((line) => line.includes('"lease holder"')),
		)
		let killedAt: number | undefined
		for (let i = 0; i < 100; i++) {
			const name = secrets[i % SECRETS] as string
			await rotate(name, `${name} of the burst, ${i}`)
			if (i !== 50) continue
			await until(
				'a part of the burst',
				async () => value(await stage.secret('b0-secrets'), 's0') === expected.get('s0'),
			)
			expect(second.logs.join('')).not.toContain('"reconciled"')
			await operator.kill()
			killedAt = performance.now()
		}
		await second.ready
		// The lease counts from when the other one saw the last renewal, and its end is seen at the look that follows.
		expect(performance.now() - (killedAt ?? 0)).toBeLessThan(LEASE_DURATION_MS + 2 * RETRY_MS + BUSY_MS)
		operator = second
		await equalsVault()
	})

	it('or asked to stop by SIGTERM: it ends with 0 and the other leads without waiting for the lease to end', async () => {
		const third = start('third')
		await until('the third one sees who leads', async () => third.logs.some((line) => line.includes('"lease holder"')))
		for (const name of secrets.slice(0, 30)) await rotate(name, `${name} while it stops`)
		expect(await operator.stop()).toBe(0)
		const stoppedAt = performance.now()
		operator = third
		await third.ready
		expect(performance.now() - stoppedAt).toBeLessThan(RETRY_MS + BUSY_MS)
		await equalsVault()
	})
})
