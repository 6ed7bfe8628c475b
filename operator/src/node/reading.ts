import { MAX_SECRETS } from '../api/constants.ts'
import type { VolumeBinding } from '../api/parse.ts'
import type { BindingStatus } from '../api/schema.ts'
import { MAX_VOLUME_BYTES } from '../destinations/volume/volume-destination.ts'
import type { Answer, Question } from '../engine/questions.ts'
import type { Destination } from '../ports/destination.ts'
import type { Asking } from '../run/drive.ts'
import type { Reader, ValueRoom } from './value-room.ts'

/** What a pass reads of values, from the first one to its end. */
export interface Reading {
	/** The destination, whose files are values as well. */
	of(destination: Destination): Destination
	/** Who answers the questions of the pass; a read waits until there is room for all of them. */
	by(answer: Answering): Answering
	end(): void
}

type Answering = (question: Question, asking: Asking) => Promise<Answer> | Answer

export interface ReadingOptions {
	readonly room: ValueRoom
	readonly reader: Reader
	/** at most, of all that the pass reads */
	readonly bytes: number
	/** of the volume */
	readonly signal: AbortSignal
}

/** Takes the room once, as a whole: passes that held some and waited for more would wait for each other. */
export function startReading({ room, reader, bytes, signal }: ReadingOptions): Reading {
	const ending = new AbortController()
	let taken: Promise<() => void> | undefined
	const take = () => {
		taken ??= room.take(reader, bytes, AbortSignal.any([signal, ending.signal]))
		return taken
	}
	return {
		of: (destination) => ({
			...destination,
			async readBack(...args) {
				await take()
				return destination.readBack(...args)
			},
		}),
		by: (answer) => async (question, asking) => {
			if (question.ask === 'read') {
				// It is no time of the vault.
				asking.waits(true)
				await take()
				asking.waits(false)
			}
			return answer(question, asking)
		},
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

/** How much a pass over the binding may read at most: values, older ones, and what the volume has. */
export function bytesToRead({ secrets, select }: VolumeBinding, status: BindingStatus, volume: number): number {
	const shown = status.secrets?.length ?? MAX_SECRETS
	const count = select.length === 0 ? secrets.length : Math.max(secrets.length, shown)
	const older = secrets.reduce((sum, { previous = 0 }) => sum + previous, 0)
	const most = (values: number) => Math.min(values * VALUE_BYTES, MOST_BYTES)
	return most(count) + most(older) + volume
}
