import { formed } from "./measures.ts";
import { ByteReader } from "#cluster/messages/bytes.ts";
import { readRecord } from "#cluster/messages/registry.ts";
const {village}=formed(300,1); const per=new Map<string,number>(); let other=0, multi=0; const by=new Map<number,number>();
village.world.network.onDatagram=(f,b)=>{ const r=new ByteReader(b,44,b.length-16); const x=readRecord(r,village.world.ids); if(x?.kind!=="ping"){other++;return;} if(r.left){multi++;return;} per.set(x.target,(per.get(x.target)??0)+1); by.set(f.index,(by.get(f.index)??0)+1); };
village.run(60000); const c=[...per.values()].sort((a,b)=>a-b); console.log(per.size,c.slice(0,10),c.slice(-10),other,multi, [...by.values()].sort((a,b)=>a-b).slice(0,5), by.size);
const missing=village.members.filter(m=>!per.has(m.id)); console.log(missing.map(m=>m.index)); 
