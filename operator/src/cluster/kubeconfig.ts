import { KubeConfig } from '@kubernetes/client-node'

// Imported when it is needed and not before: the library, for files of every kind and plugins that log in, is larger than the operator.

/** A kubeconfig file, and which of its contexts. */
export function readKubeconfig(file: string, context: string | undefined): KubeConfig {
	const kubeConfig = new KubeConfig()
	kubeConfig.loadFromFile(file)
	if (context) kubeConfig.setCurrentContext(context)
	return kubeConfig
}
