/** Where the build has put the engines (scripts/engine-files.ts); none from the development server. */
declare module 'virtual:engine-urls' {
  const urls: { readonly traced?: string; readonly plain?: string }
  export default urls
}
