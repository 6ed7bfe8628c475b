import { randomBytes } from 'node:crypto'
import { Client, Pool } from 'pg'
import { rotating } from 'purista-azure-mounted-secret-store'
import { createTestStore } from 'purista-azure-mounted-secret-store/testing'
import { expect, it } from 'vitest'
import { postgresBinaries, startPostgres } from './postgres.ts'

const ROTATIONS = 20
const WORKERS = 4
const newPassword = () => randomBytes(12).toString('hex')
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** SQLSTATE invalid_password. */
const isOutdated = (error: unknown) => error instanceof Error && 'code' in error && error.code === '28P01'

const bin = await postgresBinaries()

it.skipIf(bin === undefined)(
	bin === undefined
		? 'skipped, there is no PostgreSQL (Debian: apt-get install postgresql, which the test does itself as root)'
		: `${ROTATIONS} password rotations of a real PostgreSQL under steady load fail no request`,
	async () => {
		await using postgres = await startPostgres(bin ?? '')
		const { port, adminPassword } = postgres
		const admin = new Client({ host: '127.0.0.1', port, user: 'admin', password: adminPassword, database: 'postgres' })
		await admin.connect()
		let password = newPassword()
		await admin.query(`create role app login password '${password}'`)
		await using test = await createTestStore({ dbPassword: password })

		const db = rotating(
			test.store,
			['dbPassword'],
			({ dbPassword }) => {
				// Three uses a connection: new connections, and with them log-ins, all the time. A long-lived pool would hide failures.
				const pool = new Pool({
					host: '127.0.0.1',
					port,
					user: 'app',
					password: dbPassword,
					database: 'postgres',
					max: 4,
					maxUses: 3,
				})
				pool.on('error', () => {}) // an idle connection that the server ended
				return pool
			},
			(pool) => pool.end(),
			{ verify: async (pool) => void (await pool.query('select 1')), outdated: isOutdated, retryMs: 20 },
		)
		await db.ready()

		let [requests, running] = [0, true]
		const failures: string[] = []
		const worker = async () => {
			// Bounded: 20 rotations take some seconds, and a request at least a millisecond.
			for (let i = 0; i < 100_000 && running; i++) {
				try {
					const { rows } = await db.use((pool) => pool.query<{ user: string }>('select current_user as user'))
					expect(rows[0]?.user).toBe('app')
				} catch (error) {
					failures.push(error instanceof Error ? error.message : String(error))
				}
				requests += 1
				await pause(2)
			}
		}
		const workers = Array.from({ length: WORKERS }, worker)
		const perRotation: number[] = []
		for (let i = 0; i < ROTATIONS; i++) {
			const before = requests
			password = newPassword()
			const inDatabase = async () => void (await admin.query(`alter role app password '${password}'`))
			const inVault = () => test.rotate('dbPassword', password)
			// Both orders happen: whoever rotates, one of the two is first, for as long as a vault and a kubelet take.
			const [first, second] = i % 2 === 0 ? [inDatabase, inVault] : [inVault, inDatabase]
			await first()
			await pause(100)
			await second()
			await expect.poll(() => requests - before, { timeout: 20_000 }).toBeGreaterThan(20)
			perRotation.push(requests - before)
		}
		running = false
		await Promise.all(workers)
		await db.destroy()
		await admin.end()
		expect(failures).toStrictEqual([])
		expect(perRotation).toHaveLength(ROTATIONS)
	},
)
