/** Version of this package, by the name that PURISTA's own store packages use. */
export const puristaVersion = '0.1.0'
