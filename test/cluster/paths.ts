import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** Name of the kind cluster, and of everything else that needs one. */
export const CLUSTER_NAME = 'azure-secret-binding'

/** The one folder outside the checkout that holds everything built or fetched (`ASB_CACHE`). */
export function cacheFolder(): string {
	return resolve(process.env['ASB_CACHE'] || join(homedir(), '.cache', 'azure-secret-binding'))
}

/** Where things are in the cache; see README.md. */
export interface Paths {
	readonly cache: string
	/** Who uses the cluster now. */
	readonly lock: string
	/** What is up, and what has to be undone. */
	readonly state: string
	readonly kubeconfig: string
	/** `kind`, `kubectl`, `docker` as the cluster needs them: links. */
	readonly bin: string
	/** Output of build steps: built/STEP/KEY. */
	readonly built: string
	readonly logs: string
	/** Written by the API server of the current cluster. */
	readonly audit: string
	readonly goModules: string
	readonly goBuild: string
	/** Folder of our own engine: data, exec, socket, log. */
	readonly engine: string
	readonly temporary: string
}

export function pathsOf(cache: string): Paths {
	return {
		cache,
		lock: join(cache, 'lock.json'),
		state: join(cache, 'state.json'),
		kubeconfig: join(cache, 'kubeconfig'),
		bin: join(cache, 'bin'),
		built: join(cache, 'built'),
		logs: join(cache, 'logs'),
		audit: join(cache, 'audit'),
		goModules: join(cache, 'go-modules'),
		goBuild: join(cache, 'go-build'),
		engine: join(cache, 'engine'),
		temporary: join(cache, 'tmp'),
	}
}
