import type { EmulatorState } from '../state.ts'
import type { Incoming } from './message.ts'

/** Version string the service reports; clients only log it. */
const SERVICE_VERSION = '1.9.3070.1'

/** Headers that are on every answer of a vault. */
export function vaultHeaders(state: EmulatorState, request: Incoming): Record<string, string> {
	const clientRequestId = request.headers['x-ms-client-request-id']
	const family = request.remoteAddress.includes(':') ? ['Ipv6', 'InterNetworkV6'] : ['Ipv4', 'InterNetwork']
	return {
		'Cache-Control': 'no-cache',
		Pragma: 'no-cache',
		Expires: '-1',
		'x-ms-keyvault-region': state.settings.region,
		...(typeof clientRequestId === 'string' && clientRequestId !== ''
			? { 'x-ms-client-request-id': clientRequestId }
			: {}),
		'x-ms-request-id': state.random.uuid(),
		'x-ms-keyvault-service-version': SERVICE_VERSION,
		'x-ms-keyvault-network-info': `conn_type=${family[0]};addr=${request.remoteAddress};act_addr_fam=${family[1]};`,
		'X-Content-Type-Options': 'nosniff',
		'Strict-Transport-Security': 'max-age=31536000;includeSubDomains',
	}
}
