import type { SecretProperties } from '@azure/keyvault-secrets'
import type { SecretFacts } from '../../engine/probe.ts'
import { type ListedSecret, VaultError, type VersionFacts } from '../../ports/vault.ts'

// keyvault.md 1.4, 1.5. Names go into URLs and commands, versions into status.
const OBJECT_NAME = /^[0-9a-zA-Z-]{1,127}$/
const VERSION = /^[0-9a-fA-F]{32}$/

/** An item of a list of secrets. @throws VaultError (garbage) for a name that no vault has */
export function listedOf(item: SecretProperties): ListedSecret {
	if (!OBJECT_NAME.test(item.name)) throw new VaultError({ kind: 'garbage' })
	return { objectName: item.name, ...factsOf(item) }
}

/** An item of a list of versions. @throws VaultError (garbage) for an id that no version has */
export function versionOf(item: SecretProperties): VersionFacts {
	const { version = '' } = item
	if (!VERSION.test(version)) throw new VaultError({ kind: 'garbage' })
	return { version, ...factsOf(item) }
}

export function factsOf(properties: SecretProperties): SecretFacts {
	const { enabled, createdOn, updatedOn, notBefore, expiresOn, contentType, managed, tags } = properties
	const seconds = <K extends string>(key: K, date: Date | undefined) => {
		const time = date?.getTime()
		// The client makes an invalid date of a time that is none: no vault says that.
		if (Number.isNaN(time)) throw new VaultError({ kind: 'garbage' })
		return (time === undefined ? {} : { [key]: Math.floor(time / 1000) }) as { [P in K]?: number }
	}
	return {
		enabled: enabled !== false,
		...seconds('created', createdOn),
		...seconds('updated', updatedOn),
		...seconds('notBefore', notBefore),
		...seconds('expires', expiresOn),
		...(contentType === undefined ? {} : { contentType }),
		...(managed === true ? { managed } : {}),
		tags: tags ?? {},
	}
}
