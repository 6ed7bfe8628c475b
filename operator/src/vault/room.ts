import { VaultError } from '../ports/vault.ts'

/** The memory that lists take while they are read, of all sessions of this process together. */
export interface Room {
	/** The part of one list. */
	take(): Share
	/** taken now */
	readonly bytes: number
}

export interface Share {
	/** @throws VaultError (listTooLarge) when there is no room for so much more */
	grow(bytes: number): void
	/** taken by this list */
	readonly bytes: number
	/** Gives all of it back; twice is once. */
	release(): void
}

export interface RoomLimits {
	/** of one list */
	list: number
	/** of all lists together */
	all: number
	/** that a list may take also when all others have taken the rest */
	certain: number
}

// A secret of a list takes about 500 bytes (facts.ts): 8 MiB are 16,000 secrets. With 32 workers all lists together take 64 MiB
// at most, half of it by those that come when the rest is taken. The pod may use 384 MiB (deploy/kustomize/base/deployment.yaml).
const MIB = 1024 * 1024
const LIMITS: RoomLimits = { list: 8 * MIB, all: 32 * MIB, certain: MIB }

export function createRoom(limits: RoomLimits = LIMITS): Room {
	let taken = 0
	return {
		take() {
			let own = 0
			return {
				grow(bytes) {
					const next = own + bytes
					const fits = next <= limits.certain || (next <= limits.list && taken + bytes <= limits.all)
					if (!fits) throw new VaultError({ kind: 'listTooLarge' })
					own = next
					taken += bytes
				},
				get bytes() {
					return own
				},
				release() {
					taken -= own
					own = 0
				},
			}
		},
		get bytes() {
			return taken
		},
	}
}
