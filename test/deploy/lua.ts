import { lauxlib, lua, lualib, to_luastring } from 'fengari'

/**
 * Runs a health check as Argo CD does: the object is the global `obj`, numbers are floats, and nothing but the base library
 * can be called. @returns the fields of the table that it answers. @throws what Lua says
 */
export function runHealth(script: string, obj: object): { status: string | null; message: string | null } {
	const state = lauxlib.luaL_newstate()
	lauxlib.luaL_requiref(state, to_luastring('_G'), lualib.luaopen_base, 1)
	lua.lua_pop(state, 1)
	const call = (text: string) => {
		const failed =
			lauxlib.luaL_loadstring(state, to_luastring(text)) !== lua.LUA_OK || lua.lua_pcall(state, 0, 1, 0) !== lua.LUA_OK
		if (failed) throw new Error(lua.lua_tojsstring(state, -1) ?? 'Lua failed')
	}
	call(`return ${literal(obj)}`)
	lua.lua_setglobal(state, to_luastring('obj'))
	call(script)
	const field = (name: string) => {
		lua.lua_getfield(state, -1, to_luastring(name))
		const text = lua.lua_tojsstring(state, -1)
		lua.lua_pop(state, 1)
		return text
	}
	return { status: field('status'), message: field('message') }
}

/** A JSON value as Lua writes it. */
function literal(value: unknown): string {
	if (typeof value === 'number') return value.toExponential()
	if (typeof value === 'string')
		return `"${[...Buffer.from(value)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('')}"`
	if (Array.isArray(value)) return `{${value.map(literal).join(',')}}`
	if (typeof value === 'object' && value !== null) {
		const fields = Object.entries(value).filter(([, each]) => each !== undefined)
		return `{${fields.map(([key, each]) => `[${literal(key)}]=${literal(each)}`).join(',')}}`
	}
	return value === true ? 'true' : value === false ? 'false' : 'nil'
}
