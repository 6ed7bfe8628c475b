import { expect, it } from 'vitest'
import { createBypass } from './no-proxy.ts'

it.each([
	['*', 'payments.vault.azure.net', true],
	['other, *', 'payments.vault.azure.net', true],
	['.vault.azure.net', 'payments.vault.azure.net', true],
	['vault.azure.net', 'payments.vault.azure.net', true],
	['*.vault.azure.net', 'payments.vault.azure.net', true],
	['VAULT.azure.net.', 'Payments.vault.azure.net', true],
	['payments.vault.azure.net', 'payments.vault.azure.net', true],
	['login.example other.example', 'other.example', true],
	['ault.azure.net', 'payments.vault.azure.net', false],
	['vault.azure.net.evil.example', 'payments.vault.azure.net', false],
	['orders.vault.azure.net', 'payments.vault.azure.net', false],
	['', 'payments.vault.azure.net', false],
	[',', 'payments.vault.azure.net', false],
	['10.0.0.0/8', '10.1.2.3', true],
	['10.0.0.0/8', '11.1.2.3', false],
	['10.1.2.3', '10.1.2.3', true],
	['fd00::/8', '[fd12::1]', true],
	['fd00::/8', 'fe80::1', false],
	['10.0.0.0/33', '10.1.2.3', false],
	['10.0.0.0/x', '10.1.2.3', false],
	['0.0.0.0/0', 'payments.vault.azure.net', false],
])('%j: %s is reached directly: %s', (noProxy, host, direct) => {
	expect(createBypass(noProxy)(host)).toBe(direct)
})
