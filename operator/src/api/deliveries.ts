// Apart from parse.ts, which loads the library for schemas: that is for whoever parses.
import type { Binding, SecretBinding, VolumeBinding } from './parse.ts'

export const isSecretBinding = (binding: Binding): binding is SecretBinding => binding.delivery.type === 'Secret'
export const isVolumeBinding = (binding: Binding): binding is VolumeBinding => binding.delivery.type === 'Volume'
