/** Content types of a certificate's secret. */
export const PFX = 'application/x-pkcs12'
export const PEM = 'application/x-pem-file'
