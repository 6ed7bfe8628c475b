// The simulated Secret as a place to deliver to: the operator's own rules and words, the simulated API server behind them.
import type { SecretBinding } from '../../operator/src/api/parse.ts'
import { planWrite, secretRules } from '../../operator/src/destinations/secret/rules.ts'
import { holdingOf, type SecretObject } from '../../operator/src/destinations/secret/secret-object.ts'
import type { Change, DestinationRules, Holding } from '../../operator/src/engine/holding.ts'
import type { Answers, Away, Refusal } from '../../operator/src/engine/questions.ts'
import type { ApiRefusal } from './api-server.ts'
import type { Life, Reply } from './network.ts'
import type { World } from './world.ts'

/** A destination whose answers come by themselves instead of by promises. */
export interface SimulatedDestination {
	rules: DestinationRules
	readBack(arrive: (answer: Answers['readBack']) => void): void
	write(change: Change, arrive: (answer: Answers['write']) => void): void
	removeFormer(formerName: string, arrive: (answer: Answers['removeFormer']) => void): void
}

/** The operator's field manager, as the API server is told. */
const OPERATOR = 'azure-secret-binding'

export function secretDestination(world: World, binding: SecretBinding, alive: () => Life): SimulatedDestination {
	const { network, secrets, requests } = world
	const { name } = binding.delivery
	return {
		rules: secretRules(binding),
		readBack(arrive) {
			const read = () => secrets.get(name)
			network.send('readBack', read, (reply) => arrive(readOf(reply)), alive)
		},
		write(change, arrive) {
			const write = planWrite(binding, change)
			const work = () => {
				if (write.kind !== 'create' && write.kind !== 'patch') throw new Error(`a write that is none: ${write.kind}`)
				const body = write.body() as Readonly<Record<string, unknown>>
				const secret = write.kind === 'create' ? secrets.create(body, OPERATOR) : secrets.patch(name, body, OPERATOR)
				requests.writes++
				world.seen(name, true)
				return holdingIn(secret)
			}
			network.send('write', work, (reply) => arrive(writeOf(reply)), alive)
		},
		removeFormer(formerName, arrive) {
			const work = () => {
				const secret = secrets.get(formerName)
				if (!secret) return
				const { uid, resourceVersion } = secret.metadata
				secrets.remove(formerName, { uid, resourceVersion })
				world.formerGone()
				// It follows a spec of before, and the present one names this place again: then it comes back by itself.
				world.seen(formerName, world.watching.before.length === 0)
			}
			network.send(
				'remove',
				work,
				(reply) => arrive(reply.kind === 'ok' ? { kind: 'done' } : refusedOrAway(reply)),
				alive,
			)
		},
	}
}

/** Of one object always the same: most of what is read back has not changed since. */
const holdings = new WeakMap<SecretObject, Holding>()
function holdingIn(secret: SecretObject): Holding {
	const known = holdings.get(secret) ?? holdingOf(secret)
	holdings.set(secret, known)
	return known
}

function readOf(reply: Reply<ReturnType<World['secrets']['get']>>): Answers['readBack'] {
	if (reply.kind !== 'ok') return refusedOrAway(reply)
	return reply.value ? { kind: 'ours', holding: holdingIn(reply.value) } : { kind: 'none' }
}

function writeOf(reply: Reply<Holding>): Answers['write'] {
	if (reply.kind === 'ok') return { kind: 'written', holding: reply.value }
	const lost = reply.kind === 'error' && (reply.error.status === 409 || reply.error.status === 404)
	return lost ? { kind: 'lostRace' } : refusedOrAway(reply)
}

function refusedOrAway(reply: Exclude<Reply<unknown>, { kind: 'ok' }>): Refusal | Away {
	if (reply.kind !== 'error') return { kind: 'away', error: new Error('the API server is away') }
	return isRefusal(reply.error)
		? { kind: 'refused', reason: 'SecretWriteRefused', message: reply.error.message }
		: { kind: 'away', error: reply.error }
}

const isRefusal = ({ status }: ApiRefusal) => status === 403 || status === 422
