// What bindings of simulated histories may ask for, as the resource has it and as the oracle is told.
import { KEEP, type Policy } from '../oracle/model.ts'
import type { Asked, FileWish } from '../oracle/wishes.ts'
import { isJsonOfMap } from './api-server.ts'
import { BINDING, NAMESPACE, type ObjectName, SELECTABLE, TAG, type VaultName } from './names.ts'

/** Files that a spec may name. */
export const FILES = ['alpha', 'beta', 'gamma', 'user', 'password', 'whole', 'twin', 'pinned', 'swap', 'spare'] as const
export type FileName = (typeof FILES)[number]
/** Names that a Secret of type kubernetes.io/tls needs. */
const TLS = { 'tls.crt': 'beta', 'tls.key': 'gamma' } as const satisfies Record<string, ObjectName>

/** The name that one of type kubernetes.io/dockerconfigjson needs: the API server takes JSON alone there. */
const DOCKER = { '.dockerconfigjson': 'login' } as const satisfies Record<string, ObjectName>

/** Everything that edits change of a spec. */
export interface Shape {
	files: readonly FileName[]
	policy: Policy
	maxRemovals: number
	/** number of older versions of alpha */
	older: number
	/** a selector by the tag is there */
	select: boolean
	suspend: boolean
	vault: VaultName
	/** the spec names no vault: the ServiceAccount's annotation does */
	byAccount: boolean
	/** which of two identities */
	client: 0 | 1
	/** version of `pinned` */
	pin: string | undefined
	/** object of `swap` */
	swap: 'beta' | 'gamma'
	/** the Secret is of type kubernetes.io/tls */
	tls: boolean
	/** or of kubernetes.io/dockerconfigjson */
	docker: boolean
	secretName: 'one' | 'two'
	/** nodes bring the values into volumes, instead of a Secret */
	volume: boolean
}

export const FIRST: Shape = {
	files: ['alpha'],
	policy: KEEP,
	maxRemovals: 500,
	older: 0,
	select: false,
	suspend: false,
	vault: 'red',
	byAccount: false,
	client: 0,
	pin: undefined,
	swap: 'beta',
	tls: false,
	docker: false,
	secretName: 'one',
	volume: false,
}

/** Names that the Secret cannot be without. */
export const requiredBy = (shape: Shape): string[] => Object.keys(objectsOfType(shape))
const objectsOfType = ({ tls, docker }: Shape): Record<string, ObjectName> => {
	if (tls) return TLS
	return docker ? DOCKER : {}
}
/** Whether the API server takes a text under this name. */
export const isTaken = ({ docker }: Shape, name: string, text: string): boolean =>
	!docker || !Object.hasOwn(DOCKER, name) || isJsonOfMap(text)

export const vaultUrl = (vault: string) => `https://${vault}.vault.azure.net`
export const CLIENTS = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const
export const TENANT = '33333333-3333-4333-8333-333333333333'

interface Entry {
	name: string
	objectName: ObjectName
	version?: string
	property?: string
	previous?: number
	optional?: true
}

function entriesOf(shape: Shape): Entry[] {
	const { files, older, pin, swap } = shape
	const entry = (name: FileName): Entry[] => {
		switch (name) {
			case 'alpha':
				return [{ name, objectName: 'alpha', ...(older > 0 ? { previous: older } : {}) }]
			case 'user':
			case 'password':
				return [{ name, objectName: 'pair', property: `/${name}` }]
			case 'whole':
				return [{ name, objectName: 'pair' }]
			case 'pinned':
				return pin === undefined ? [] : [{ name, objectName: 'alpha', version: pin }]
			case 'swap':
				return [{ name, objectName: swap }]
			case 'spare':
				return [{ name, objectName: 'delta', optional: true }]
			case 'beta':
			case 'gamma':
			case 'twin':
				return [{ name, objectName: name }]
		}
	}
	const required = Object.entries(objectsOfType(shape)).map(([name, objectName]): Entry => ({ name, objectName }))
	return [...files.flatMap(entry), ...required]
}

/** Secrets of the vault that it may want. */
export const objectsOf = (shape: Shape): ObjectName[] => [
	...new Set([
		...entriesOf({ ...shape, pin: 'some version' }).map(({ objectName }) => objectName),
		...(shape.select ? SELECTABLE : []),
	]),
]

/** All names that a binding may ever have. */
export const allNames = (): string[] => [...FILES, ...Object.keys(TLS), ...Object.keys(DOCKER), ...SELECTABLE]

/** What the oracle is told. */
export function askedOf(shape: Shape, generation: number, hold: Asked['hold']): Asked {
	const { vault, policy, maxRemovals, suspend } = shape
	const named = entriesOf(shape).map(({ name, objectName, version, previous, optional }): [string, FileWish] => [
		name,
		{ vault, objectName, pin: version, older: previous, optional, ...(objectName === 'pair' ? { group: 'pair' } : {}) },
	])
	const selected = shape.select
		? SELECTABLE.map((name): [string, FileWish] => [name, { vault, objectName: name, tag: TAG }])
		: []
	return { generation, wishes: new Map([...named, ...selected]), policy, maxRemovals, suspend, hold }
}

/** As the resource has it. */
export function specOf(shape: Shape): Record<string, unknown> {
	const { policy, maxRemovals, select, suspend, vault, byAccount, client } = shape
	return {
		...(byAccount ? {} : { vault: { url: vaultUrl(vault) } }),
		identity: { serviceAccountName: 'payments', clientId: CLIENTS[client], tenantId: TENANT },
		secrets: entriesOf(shape),
		select: select ? [{ tags: { [TAG[0]]: TAG[1] } }] : [],
		delivery: deliveryOf(shape),
		policy: { ...policy, maxRemovals },
		suspend,
	}
}

function deliveryOf({ volume, tls, docker, secretName }: Shape): Record<string, unknown> {
	if (volume) return { type: 'Volume' }
	const type = tls ? { type: 'kubernetes.io/tls' } : docker ? { type: 'kubernetes.io/dockerconfigjson' } : {}
	return { secret: { name: secretName, ...type }, refreshPods: false }
}

/** What the API server refuses when it is applied: there must be something to deliver. */
export const isApplicable = (shape: Shape): boolean => entriesOf(shape).length > 0 || shape.select

export const identityOf = () => ({ namespace: NAMESPACE, name: BINDING, uid: 'uid-of-the-binding' })
