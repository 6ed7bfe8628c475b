/** What the API server's authoriser is asked: a verb on a resource of one namespace. */
export interface Permission {
	verb: string
	/** with its subresource, if any: `serviceaccounts/token` */
	resource: string
	namespace: string
	/** undefined: of any name, as for a create */
	name: string | undefined
}
