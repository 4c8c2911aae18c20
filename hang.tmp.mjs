import { chromium } from 'playwright'
const b=await chromium.launch({executablePath:'/usr/bin/chromium',args:['--no-sandbox','--disable-gpu']})
const p=await b.newPage(); await p.goto('http://localhost:5421/?boot=playground',{timeout:60000}); await p.waitForFunction(()=>'playground' in window)
const K='/guests/embedded/playground.elf'
for(const o of [{kernel:K,cmdline:'console=com kept'},{kernel:K,disk:1,cmdline:'console=com kept'},{kernel:K,disk:1,cmdline:'console=com kept',trace:false},{guest:'embedded',disk:1,cmdline:'console=com kept'}]){
 const r=await p.evaluate(async(o)=>{
  const {disk,...rest}=o
  const t=performance.now(); await window.playground.boot({clock:'wall',...rest,...(disk?{disks:[new Uint8Array(1<<20)]}:{})})
  try{await window.playground.waitForText('playground> ',{timeoutMs:15000});return {ms:performance.now()-t,cmd:window.playground.text().match(/command line.*/)?.[0]}}
  catch(e){const f=window.playground.figures(); await new Promise(r=>setTimeout(r,2000)); const g=window.playground.figures(); return {hang:String(e).slice(-120),state:window.playground.state(),f:[f.instructions,f.guestNs,f.wallMs,f.busy],g:[g.instructions,g.guestNs,g.wallMs,g.busy,g.mips], tr:window.playground.trace()?.spans,regs:await Promise.race([window.playground.registers(),new Promise(r=>setTimeout(()=>r('no answer'),3000))]).then(r=>r.RIP??r.rip??r)}}
 },o)
 console.log(JSON.stringify(o),JSON.stringify(r))
}
await b.close()
