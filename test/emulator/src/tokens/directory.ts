// The part of a tenant that token requests ask about: applications and their credentials.
import type { EmulatorClock } from '../clock.ts'

export interface FederatedCredential {
	readonly name: string
	readonly issuer: string
	readonly subject: string
	readonly audience: string
	/** From when it counts, milliseconds of the emulator's clock: new ones take a while to propagate. */
	readonly from: number
}

export interface Client {
	readonly clientId: string
	readonly tenantId: string
	readonly name: string
	readonly resourceGroup: string
	/** Object id of the service principal. */
	readonly objectId: string
	readonly secrets: readonly string[]
	/** PEM certificates whose keys may sign assertions. */
	readonly certificates: readonly string[]
	readonly federated: Map<string, FederatedCredential>
	/** An identity of the machine: the managed identity endpoint gives tokens for it. */
	readonly managedIdentity: boolean
	/** Counts revocations: tokens of an earlier generation are revoked. */
	generation: number
}

/** Federated credentials one application can have. */
export const MAX_FEDERATED = 20

export class Directory {
	readonly #clock: EmulatorClock
	#delayMs: number
	readonly #tenants = new Set<string>()
	readonly #clients = new Map<string, Client>()

	constructor(options: { clock: EmulatorClock; propagationDelayMs: number }) {
		this.#clock = options.clock
		this.#delayMs = options.propagationDelayMs
	}

	setPropagationDelay(ms: number): void {
		this.#delayMs = ms
	}

	addTenant(tenantId: string): void {
		this.#tenants.add(tenantId.toLowerCase())
	}

	hasTenant(tenantId: string): boolean {
		return this.#tenants.has(tenantId.toLowerCase())
	}

	/** Adds or replaces; federated credentials of a replaced one stay. */
	putClient(client: Omit<Client, 'federated' | 'generation'>): Client {
		const old = this.client(client.clientId)
		const put: Client = {
			...client,
			federated: old?.federated ?? new Map<string, FederatedCredential>(),
			generation: old?.generation ?? 0,
		}
		this.#clients.set(client.clientId.toLowerCase(), put)
		this.addTenant(client.tenantId)
		return put
	}

	client(clientId: string): Client | undefined {
		return this.#clients.get(clientId.toLowerCase())
	}

	clients(): readonly Client[] {
		return [...this.#clients.values()]
	}

	putFederated(client: Client, credential: Omit<FederatedCredential, 'from'>): void {
		client.federated.set(credential.name, { ...credential, from: this.#clock.now() + this.#delayMs })
	}

	/** Credentials that have propagated. */
	federated(client: Client): readonly FederatedCredential[] {
		const now = this.#clock.now()
		return [...client.federated.values()].filter((each) => each.from <= now)
	}

	clear(): void {
		this.#clients.clear()
		this.#tenants.clear()
	}
}
