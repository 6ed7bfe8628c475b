/** How this machine reaches its package registry: what an npm in an otherwise empty environment needs. */
export function registrySettings(): NodeJS.ProcessEnv {
	const names = Object.keys(process.env).filter((name) =>
		/^(https?_proxy|no_proxy|node_extra_ca_certs|npm_config_registry|npm_config_userconfig|npm_config_cafile)$/i.test(
			name,
		),
	)
	return Object.fromEntries(names.map((name) => [name, process.env[name]]))
}
