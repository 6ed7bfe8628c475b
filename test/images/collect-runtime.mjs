// Collects, into an empty folder, what an image `FROM scratch` needs to run node: the binary, the libraries that the loader
// finds for it, CA certificates, and the few files that the C library reads. Runs in the build stage of the Dockerfile.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rootCertificates } from 'node:tls'

const root = process.argv[2]
if (!root) throw new Error('usage: node collect-runtime.mjs FOLDER')

const put = (path, source, mode) => {
	const target = join(root, path)
	mkdirSync(dirname(target), { recursive: true })
	copyFileSync(realpathSync(source), target)
	chmodSync(target, mode)
}
const write = (path, text) => {
	mkdirSync(dirname(join(root, path)), { recursive: true })
	writeFileSync(join(root, path), text, { mode: 0o644 })
}

put('/usr/local/bin/node', process.execPath, 0o755)
// Lines such as `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`: the path as the
// loader will look it up, whatever links are behind it here. linux-vdso has no file.
for (const line of execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).split('\n')) {
	if (line.includes('not found')) throw new Error(`a library is missing: ${line.trim()}`)
	const path = /(\/\S+) \(0x/.exec(line)?.[1]
	if (path) put(path, path, 0o755)
}
// Mozilla's list as node carries it, not the build machine's: that one may hold a company's own CA. For --use-openssl-ca and for
// mounting another over it; node itself trusts its built-in copy.
write('/etc/ssl/certs/ca-certificates.crt', `${rootCertificates.join('\n')}\n`)
// /etc/hosts first: the C library's own order without this file asks DNS first, and hostAliases would come second.
write('/etc/nsswitch.conf', 'hosts: files dns\n')
write('/etc/passwd', 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n')
write('/etc/group', 'nonroot:x:65532:\n')
