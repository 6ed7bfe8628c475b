import type { VolumeBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { MAX_VOLUME_BYTES } from '../destinations/volume/volume-destination.ts'
import { afterSeen, type Basis, basisOf } from '../engine/by-status.ts'
import { traitsOf } from '../engine/fault.ts'
import { holdingOf, type Knowledge } from '../engine/knowledge.ts'
import { objectKey } from '../engine/known.ts'
import type { Answer, Moment, Question } from '../engine/questions.ts'
import type { Destination } from '../ports/destination.ts'
import type { Asking } from '../run/drive.ts'
import type { Reader, ValueRoom } from './value-room.ts'

/** What a pass reads of values, from the first one to its end. */
export interface Reading {
	/** The destination, whose files are values as well. @param bytes of all that the pass reads, at most */
	of(destination: Destination, bytes: number): Destination
	/** Who answers the questions of the pass; a read waits until there is room for all of them. */
	by(answer: Answering): Answering
	/** keys of what the vault has told of: that it is absent or disabled as well */
	readonly objects: ReadonlySet<string>
	end(): void
}

type Answering = (question: Question, asking: Asking) => Promise<Answer> | Answer

export interface ReadingOptions {
	readonly room: ValueRoom
	readonly reader: Reader
	/** of the volume */
	readonly signal: AbortSignal
}

/** Takes the room once, as a whole: passes that held some and waited for more would wait for each other. */
export function startReading({ room, reader, signal }: ReadingOptions): Reading {
	const ending = new AbortController()
	const objects = new Set<string>()
	let most = 0
	let taken: Promise<() => void> | undefined
	const take = () => {
		taken ??= room.take(reader, most, AbortSignal.any([signal, ending.signal]))
		return taken
	}
	return {
		of(destination, bytes) {
			most = bytes
			return {
				...destination,
				async readBack(...args) {
					await take()
					return destination.readBack(...args)
				},
			}
		},
		by: (answer) => async (question, asking) => {
			if (question.ask !== 'read') return answer(question, asking)
			// It is no time of the vault.
			asking.waits(true)
			await take()
			asking.waits(false)
			const given = await answer(question, asking)
			const isAnswer = given.kind === 'secret' || (given.kind === 'fault' && traitsOf(given.fault).class === 'secret')
			if (isAnswer) objects.add(objectKey(question))
			return given
		},
		objects,
		end() {
			ending.abort(ENDED)
			taken?.then(
				(release) => release(),
				() => {},
			)
		},
	}
}

// Made once: an error takes its stack with it.
const ENDED = new Error('the pass has ended')
// 25 KB is the most that a value has (FACTS.md#limits), and a character takes two bytes where one of them is none of Latin-1.
const VALUE_BYTES = 2 * 25 * 1024
// The engine reads no more than a volume takes, counted in characters; and of older versions as much again.
const MOST_BYTES = 2 * MAX_VOLUME_BYTES

/** What is known of a binding when a pass over it begins. */
export interface Known {
	readonly status: BindingStatus
	readonly knowledge: Knowledge
	readonly vaultUrl: string
	readonly at: Moment
}

/**
 * How much a pass over the binding may read at most: values, older ones, and what the volume has.
 *
 * @param taken memory of the volume, which is more than its files hold
 */
export function bytesToRead(binding: VolumeBinding, known: Known, taken: number): number {
	const older = binding.secrets.reduce((sum, { previous = 0 }) => sum + previous, 0)
	const most = (values: number) => Math.min(values * VALUE_BYTES, MOST_BYTES)
	const files = holdingOf(known.knowledge)?.files.values()
	const volume = files ? [...files].reduce((sum, { bytes }) => sum + bytes, 0) : taken
	return most(valuesOf(binding, known)) + most(older) + volume
}

/** What selectors bring is told by the status, where it is gone by; a list of the vault may bring any number. */
function valuesOf(binding: VolumeBinding, known: Known): number {
	const { secrets, select } = binding
	if (select.length === 0) return secrets.length
	const holding = holdingOf(known.knowledge)
	const { basis } = goesBy(binding, known)
	if (basis.kind === 'own') return Number.POSITIVE_INFINITY
	const names = secrets.map(({ name }) => name)
	return new Set([...names, ...basis.entries.keys(), ...Object.keys(holding?.manifest?.secrets ?? {})]).size
}

/** By what the pass goes, and when (monotonic) whoever polled for it did so. */
export function goesBy(
	binding: VolumeBinding,
	{ status, knowledge, vaultUrl, at }: Known,
): { readonly basis: Basis; readonly polledAt: number } {
	const seen = afterSeen(knowledge.seenStatus, status, binding.interval, at)
	const basis = basisOf(binding, status, vaultUrl, seen, holdingOf(knowledge) !== undefined, at)
	return { basis, polledAt: basis.kind === 'own' ? at.monotonic : seen.checkedAt }
}
