// The package's public surface.
export type { AccessModel } from './access/book.ts'
export type { TimeSource } from './clock.ts'
export { CONTROL_PATH, emulatorControl } from './control/client.ts'
export type {
	ControlSecret,
	EmulatorControl,
	Fault,
	FaultMatch,
	FederatedCredentialInput,
	Grant,
	LoggedRequest,
	PagePlan,
	RequestCount,
	SecretRef,
	SetSecret,
	TrustIssuer,
	WrittenSecret,
} from './control/types.ts'
export { ControlError } from './control/types.ts'
export { type Emulator, type EmulatorOptions, startEmulator } from './start.ts'
