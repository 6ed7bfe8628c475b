// `azure-key-vault-emulator/kind` from the packed tarball, in a folder that has nothing of this repository.
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256 } from '../kit/binding.ts'
import { kubectl } from '../kit/kubectl.ts'
import { connectWorld, type World } from '../kit/world.ts'

const run = promisify(execFile)
const PACKAGE = join(import.meta.dirname, '../emulator')
/** Milliseconds: an install of two packages, a pod's start, and a kubelet's cadence of at most 90 s. */
const TIMEOUT_MS = 240_000

describe('a lab of another repository', () => {
	let world: World
	let folder: string
	beforeAll(async () => {
		world = await connectWorld()
		folder = await mkdtemp(join(tmpdir(), 'emulator-lab-'))
		const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], { cwd: PACKAGE })
		// `prepack` may print before the JSON.
		const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as Array<{ filename: string }>
		await run('npm', ['init', '--yes'], { cwd: folder })
		await run('npm', ['install', '--no-audit', '--no-fund', `./${packed?.filename}`], { cwd: folder })
		await copyFile(join(import.meta.dirname, 'lab-user.mjs'), join(folder, 'lab-user.mjs'))
	})
	afterAll(() => rm(folder, { recursive: true, force: true }))

	it('delivers, rotates, breaks and mends, forwards, and leaves nothing behind', { timeout: TIMEOUT_MS }, async () => {
		const [first, second] = [world.canary('lab-first'), world.canary('lab-second')]
		const { kubectl: program, kubeconfig, context, env } = world.target
		const { stdout } = await run(process.execPath, ['lab-user.mjs'], {
			cwd: folder,
			env: {
				...{ ...process.env, ...env, KUBECTL: program, KUBECONFIG_FILE: kubeconfig, CONTEXT: context },
				...{ SERVICE_IMAGE: world.images.service, FIRST: first, SECOND: second },
			},
		})
		const seen = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, string>
		expect(seen).toMatchObject({
			...{ first: '1/1', afterMend: '1/1', broken: true, page: true },
			...{ mountedFirst: sha256(first), mountedSecond: sha256(second) },
		})
		expect(seen['statusVersion']).toBe(seen['version'])
		const left = await kubectl(world.target, [
			...[
				'get',
				'namespace',
				seen['namespace'] ?? '',
				'--ignore-not-found',
				'-o',
				'jsonpath={.metadata.deletionTimestamp}{.status.phase}',
			],
		])
		expect(left === '' || left.includes('Terminating')).toBe(true)
		expect(await world.control.listFaults()).toEqual([])
	})
})
