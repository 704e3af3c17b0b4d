import type { Authorizer, Catalogue, LocalDataPlane, ScoreService } from '../../src/index.ts'

/** What a server serves; an embedded score has it all. */
export interface ServedScore {
  readonly service: ScoreService
  /** Answers signed URLs of the local store, at `/store/…`. Absent where the store answers its own. */
  readonly dataPlane?: LocalDataPlane
  /** Served as Song's REST API beside the service. */
  readonly catalogue?: Catalogue
  /** Asked before every write to the catalogue; needed with one. */
  readonly authorizer?: Authorizer
}
