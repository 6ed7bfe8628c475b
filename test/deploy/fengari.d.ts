/** The part of fengari, which brings no types, that the tests of our Lua use: names and meaning are those of Lua's C API. */
declare module 'fengari' {
	type State = object
	export const lauxlib: {
		luaL_newstate(): State
		luaL_loadstring(L: State, text: Uint8Array): number
		luaL_requiref(L: State, name: Uint8Array, open: (L: State) => number, global: number): void
	}
	export const lua: {
		LUA_OK: number
		lua_pcall(L: State, args: number, results: number, handler: number): number
		lua_getfield(L: State, index: number, key: Uint8Array): number
		lua_setglobal(L: State, name: Uint8Array): void
		lua_tojsstring(L: State, index: number): string | null
		lua_pop(L: State, count: number): void
	}
	export const lualib: { luaopen_base: (L: State) => number }
	export function to_luastring(text: string): Uint8Array
}
