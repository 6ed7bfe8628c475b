// A PURISTA service as an application team would write it: it knows `context.secrets` and nothing of Azure or Kubernetes.
// Handlers are `function`s because PURISTA refuses arrow functions.
import { createHash, randomBytes } from 'node:crypto'
import { ServiceBuilder } from '@purista/core'
import { z } from 'zod'

const builder = new ServiceBuilder({
	serviceName: 'Payments',
	serviceVersion: '1',
	serviceDescription: 'Shows that it has a secret without showing the secret',
})

/** Enough of a SHA-256 to tell two random secrets apart on a screen; useless for finding a random value. */
const fingerprintOf = (value: string) => createHash('sha256').update(value).digest('hex').slice(0, 12)

const fingerprint = builder
	.getCommandBuilder('fingerprint', 'Answers with a fingerprint of a secret, null when there is none')
	.addPayloadSchema(z.object({ name: z.string() }))
	.addOutputSchema(z.object({ fingerprint: z.string().nullable() }))
	.setCommandFunction(async function (context, payload) {
		const { [payload.name]: value } = await context.secrets.getSecret(payload.name)
		return { fingerprint: value === undefined ? null : fingerprintOf(value) }
	})

const renew = builder
	.getCommandBuilder('renew', 'Makes a new random secret, stores it under the name, and answers with its fingerprint')
	.addPayloadSchema(z.object({ name: z.string() }))
	.addOutputSchema(z.object({ fingerprint: z.string() }))
	.setCommandFunction(async function (context, payload) {
		// 32 random bytes: the size of a 256-bit key.
		const value = randomBytes(32).toString('base64url')
		await context.secrets.setSecret(payload.name, value)
		return { fingerprint: fingerprintOf(value) }
	})

const remove = builder
	.getCommandBuilder('remove', 'Removes a secret')
	.addPayloadSchema(z.object({ name: z.string() }))
	.addOutputSchema(z.object({ removed: z.literal(true) }))
	.setCommandFunction(async function (context, payload) {
		await context.secrets.removeSecret(payload.name)
		return { removed: true as const }
	})

export const paymentsService = builder.addCommandDefinition(
	// @ts-expect-error the framework's types are not made for exactOptionalPropertyTypes (`schedules`)
	fingerprint.getDefinition(),
	renew.getDefinition(),
	remove.getDefinition(),
)
