// The only import of @purista/core, so that a later major version, which moves the base class to a subpath, is one change.
export {
	initLogger,
	type Logger,
	type ObjectWithKeysFromStringArray,
	SecretStoreBaseClass,
	StatusCode,
	type StoreBaseConfig,
	UnhandledError,
} from '@purista/core'
