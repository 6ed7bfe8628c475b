import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ProcessId } from './process.ts'

/** How the machine was before we changed anything: what `down` goes back to. */
export interface MachineBefore {
	/** Name with dots → value. */
	readonly sysctls: Readonly<Record<string, string>>
	/** Output of `iptables-save` and `ip6tables-save`; only with an engine of our own. */
	readonly iptables?: Readonly<Record<string, string>>
	/** Paths out of a fixed list that did not exist. */
	readonly absent: readonly string[]
}

/** What is up, or may be: each part is written before it is made, and removed after it is gone. */
export interface State {
	readonly before?: MachineBefore
	/** Our own engine. */
	readonly engine?: { readonly process?: ProcessId }
	readonly cluster?: {
		readonly situation: 'official' | 'packages' | 'private'
		readonly image: string
		/** The docker network `kind` was not there before. */
		readonly ownsNetwork: boolean
		/** `kind create` came to its end. */
		readonly ready: boolean
		/** A demo left its operator in there, which would fight with that of a test. */
		readonly demo?: boolean
	}
}

export function readState(file: string): State {
	try {
		return JSON.parse(readFileSync(file, 'utf8')) as State
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
		throw error
	}
}

/** Replaces the state by rename; an empty one is no file. */
function writeState(file: string, state: State): void {
	if (Object.keys(state).length === 0) {
		rmSync(file, { force: true })
		return
	}
	mkdirSync(dirname(file), { recursive: true })
	writeFileSync(`${file}.part`, `${JSON.stringify(state, undefined, '\t')}\n`)
	renameSync(`${file}.part`, file)
}

export function changeState(file: string, change: (state: State) => State): State {
	const next = change(readState(file))
	writeState(file, next)
	return next
}
