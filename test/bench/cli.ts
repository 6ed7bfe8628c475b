// `npm run bench -- NAME [arguments]`: measurements that print ratios and shares. Nothing here is asserted.
export interface Bench {
	/** One line for the list of benches. */
	readonly title: string
	run(args: readonly string[]): Promise<void>
}

const benches: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
	cost: () => import('./cost.ts'),
	floor: () => import('./floor.ts'),
	latency: () => import('./latency.ts'),
	mount: () => import('./mount.ts'),
	mutants: () => import('./mutants.ts'),
	nodes: () => import('./nodes.ts'),
	peer: () => import('./peer.ts'),
	pods: () => import('./pods.ts'),
	republish: () => import('./republish.ts'),
	scale: () => import('./scale.ts'),
	steps: () => import('./steps.ts'),
	store: () => import('./store.ts'),
	tenants: () => import('./attacks.ts'),
	volumes: () => import('./volumes.ts'),
}

const [name, ...args] = process.argv.slice(2)
const load = name === undefined ? undefined : benches[name]
if (load) {
	const { bench } = await load()
	await bench.run(args)
} else {
	for (const [each, module] of Object.entries(benches))
		console.log(`npm run bench -- ${each}   ${(await module()).bench.title}`)
	if (name !== undefined) process.exitCode = 2
}
