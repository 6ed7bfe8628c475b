// One vault: its secrets, and beside them its keys and certificates.
import type { CertificateVersion } from '../certificates/model.ts'
import type { KeyVersion } from '../keys/model.ts'
import { alreadyExists, restoreConflict, secretDisabled } from './errors.ts'
import type { Found, Secret, SecretInput, SecretPatch, SecretVersion } from './model.ts'
import { ObjectStore, type StoreOptions } from './object-store.ts'
import { strip } from './versions.ts'

export class Vault extends ObjectStore<SecretVersion> {
	readonly name: string
	readonly keys: ObjectStore<KeyVersion>
	readonly certificates: ObjectStore<CertificateVersion>

	constructor(name: string, options: StoreOptions) {
		super('Secret', options)
		this.name = name
		this.keys = new ObjectStore<KeyVersion>('Key', options)
		this.certificates = new ObjectStore<CertificateVersion>('Certificate', options)
	}

	/** Adds a version, also when the value is equal to the current one. `certificate`: it is the secret of one. */
	set(name: string, input: SecretInput, certificate?: { pem: string | undefined; id: string }): Found {
		const { value, enabled = true, ...rest } = input
		const previous = certificate && this.find(name)?.versions.at(-1)?.version
		const managed = certificate
			? { managed: true as const, ...strip({ pem: certificate.pem, previousVersion: previous }) }
			: {}
		return this.add(
			name,
			{ value, enabled, ...strip(rest), ...managed },
			certificate ? { owner: true, id: certificate.id } : {},
		)
	}

	/** The current version when none is named. A disabled version is not readable; there is no falling back to an older one. */
	get(name: string, version?: string): Found {
		const found = this.read(name, version)
		if (!found.version.enabled) throw secretDisabled()
		return found
	}

	/** Changes metadata of a version, of the current one when none is named. */
	update(name: string, version: string | undefined, patch: SecretPatch): Found {
		return this.change(name, version, patch as Partial<SecretVersion>)
	}

	/** Puts a backup back; the name must be free. `idOf` is the id of a version, for the text of a conflict. */
	import(secret: Secret, idOf: (found: Found) => string): Found {
		const current = { name: secret.name, version: this.current(secret) }
		if (this.find(secret.name)?.state.kind === 'purging') throw restoreConflict(idOf(current))
		const existing = this.requireFree(secret.name, { owner: true })
		if (existing) throw alreadyExists(existing.name)
		this.insert({ name: secret.name, state: { kind: 'live', visibleAt: 0 }, versions: [...secret.versions] })
		return current
	}
}
