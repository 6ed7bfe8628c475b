import { defineConfig } from 'vitest/config'
import { CanaryLast } from './test/e2e/sequencer.ts'

// Workspaces are imported from their sources (see `exports` in their package.json), not from dist/.
const resolve = { conditions: ['asb-source', 'node'] }
const ssr = { resolve }
const exclude = ['**/node_modules/**', '**/dist/**']
// A second, which is what vitest gives a condition, is over before a page that looks once a second has looked.
const expecting = { poll: { timeout: 30_000 } }
const setupFiles = ['test/kit/patience.ts']

/** Integration tests that ask no cluster: `npm test` runs them beside those that do, which mostly wait. */
const local = [
	'test/{azure,csi,helm,release}/**/*.test.ts',
	'test/integration/{pack,store}/**/*.test.ts',
	'test/integration/emulator/{clients,page,recipes}.test.ts',
	'test/integration/observability/{alerts,prometheus}.test.ts',
	'test/integration/operator/memory.test.ts',
]

export default defineConfig({
	test: {
		sequence: { sequencer: CanaryLast },
		projects: [
			{
				resolve,
				ssr,
				test: {
					name: 'unit',
					expect: expecting,
					setupFiles,
					include: [
						'operator/src/**/*.test.ts',
						'runtime-store/src/**/*.test.ts',
						'test/{emulator,canary,cluster,tools,images,deploy,kit,demo,oracle,simulation}/**/*.test.ts',
					],
					exclude,
					// They wait for conditions. On a machine that does other things as well, five seconds are over before an emulator has started.
					testTimeout: 60_000,
					hookTimeout: 60_000,
				},
			},
			{
				resolve,
				ssr,
				test: {
					name: 'integration',
					expect: expecting,
					setupFiles,
					include: ['test/integration/**/*.test.ts'],
					exclude: [...exclude, ...local],
					// Real API server: namespaces, admission and watches take seconds, a first image pull of nothing takes none.
					testTimeout: 120_000,
					hookTimeout: 300_000,
					fileParallelism: false,
				},
			},
			{
				resolve,
				ssr,
				test: {
					name: 'local',
					expect: expecting,
					setupFiles,
					include: local,
					exclude,
					testTimeout: 120_000,
					hookTimeout: 300_000,
					// They build programs of Go and install toolchains into one cache: one after the other.
					fileParallelism: false,
				},
			},
			{
				resolve,
				ssr,
				// The global setup is run in an environment of its own, by this name.
				environments: { __vitest__: { resolve } },
				test: {
					name: 'e2e',
					expect: expecting,
					setupFiles,
					include: ['test/e2e/**/*.test.ts'],
					exclude,
					// The kubelet's own cadence is up to 90 s, and some behaviours need two of them.
					testTimeout: 300_000,
					hookTimeout: 600_000,
					fileParallelism: false,
					globalSetup: ['test/e2e/setup.ts'],
				},
			},
		],
	},
})
