BEGIN TRANSACTION;
CREATE TABLE batches (
	id VARCHAR(32) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	created_at FLOAT NOT NULL, 
	workspace TEXT NOT NULL, 
	options JSON NOT NULL, 
	discarded BOOLEAN NOT NULL, 
	CONSTRAINT pk_batches PRIMARY KEY (id)
);
INSERT INTO "batches" VALUES('4b619ab0383f5ef1c2cd9a5161c98427','ana',1700000000.0,'/data/temp/ws-1','{"engine": "auto", "model": null, "nemo_input": "arrays"}',0);
INSERT INTO "batches" VALUES('51fa6df99c848f861dabc94b5e8af95d','ben',1700000007.0,'/data/temp/ws-1','{"engine": "nemo", "model": null, "nemo_input": "arrays"}',0);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	job_id VARCHAR(32) NOT NULL, 
	at FLOAT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempt INTEGER NOT NULL, 
	reason TEXT, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id)
);
INSERT INTO "events" VALUES(1,'452cc630fd3c9ae7422bbb174a7ee5d1',1700000000.0,'queued',0,NULL);
INSERT INTO "events" VALUES(2,'ab831c2b80c48d6461bc5c274851cd59',1700000000.0,'queued',0,NULL);
INSERT INTO "events" VALUES(3,'452cc630fd3c9ae7422bbb174a7ee5d1',1700000001.0,'running',1,NULL);
INSERT INTO "events" VALUES(4,'452cc630fd3c9ae7422bbb174a7ee5d1',1700000003.0,'done',1,NULL);
INSERT INTO "events" VALUES(5,'ab831c2b80c48d6461bc5c274851cd59',1700000004.0,'running',1,NULL);
INSERT INTO "events" VALUES(6,'ab831c2b80c48d6461bc5c274851cd59',1700000006.0,'failed',1,'“paper.pdf” is damaged.');
INSERT INTO "events" VALUES(7,'80c2b350a486b8f94044b8821992daf1',1700000007.0,'queued',0,NULL);
CREATE TABLE jobs (
	id VARCHAR(32) NOT NULL, 
	batch_id VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	path TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size INTEGER NOT NULL, 
	length FLOAT, 
	state VARCHAR(16) NOT NULL, 
	stage VARCHAR(80) NOT NULL, 
	progress FLOAT NOT NULL, 
	attempts INTEGER NOT NULL, 
	crashes INTEGER NOT NULL, 
	retries INTEGER NOT NULL, 
	not_before FLOAT NOT NULL, 
	error TEXT, 
	error_kind VARCHAR(16), 
	note TEXT, 
	engine VARCHAR(80), 
	model TEXT, 
	options JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	queued_at FLOAT NOT NULL, 
	took FLOAT, 
	started_at FLOAT, 
	finished_at FLOAT, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT fk_jobs_batch_id_batches FOREIGN KEY(batch_id) REFERENCES batches (id)
);
INSERT INTO "jobs" VALUES('452cc630fd3c9ae7422bbb174a7ee5d1','4b619ab0383f5ef1c2cd9a5161c98427',0,'ana','talk.wav','audio','/data/temp/ws-1/talk.wav','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1000,5.0,'done','',1.0,1,0,0,0.0,NULL,NULL,NULL,'whisper','tiny.en','{"engine": "auto", "model": null, "nemo_input": "arrays"}',1700000000.0,1700000000.0,1.5,1700000001.0,1700000002.0);
INSERT INTO "jobs" VALUES('ab831c2b80c48d6461bc5c274851cd59','4b619ab0383f5ef1c2cd9a5161c98427',1,'ana','paper.pdf','document','/data/temp/ws-1/paper.pdf','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1000,3.0,'failed','',0.0,1,0,0,0.0,'“paper.pdf” is damaged.','permanent',NULL,NULL,NULL,'{"engine": "auto", "model": null, "nemo_input": "arrays"}',1700000000.0,1700000000.0,NULL,1700000004.0,1700000005.0);
INSERT INTO "jobs" VALUES('80c2b350a486b8f94044b8821992daf1','51fa6df99c848f861dabc94b5e8af95d',0,'ben','später.wav','audio','/data/temp/ws-1/spaeter.wav','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',1000,7.0,'queued','',0.0,0,0,0,0.0,NULL,NULL,NULL,NULL,NULL,'{"engine": "nemo", "model": null, "nemo_input": "arrays"}',1700000007.0,1700000007.0,NULL,NULL,NULL);
CREATE TABLE turns (
	kind VARCHAR(16) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	number INTEGER NOT NULL, 
	CONSTRAINT pk_turns PRIMARY KEY (kind, owner)
);
INSERT INTO "turns" VALUES('audio','ana',1);
INSERT INTO "turns" VALUES('document','ana',1);
CREATE INDEX ix_batches_created_at ON batches (created_at);
CREATE INDEX ix_jobs_batch_id_position ON jobs (batch_id, position);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE INDEX ix_jobs_kind_state_owner_queued_at_position ON jobs (kind, state, owner, queued_at, position);
CREATE INDEX ix_events_job_id ON events (job_id);
COMMIT;
